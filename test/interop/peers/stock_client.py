"""A stock Flower client: flwr's NumPyClient over `start_client`. Its options and what it does: behaviour.py."""

import os
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
warnings.filterwarnings("ignore")

import flwr  # noqa: E402
import numpy as np  # noqa: E402
from behaviour import Behaviour, options, say  # noqa: E402


class Client(Behaviour, flwr.client.NumPyClient):
    """The behaviour, as flwr wants it."""


arguments = options().parse_args()
root = open(arguments.ca, "rb").read() if arguments.ca else None
flwr.client.start_client(
    server_address=arguments.server,
    client=Client(arguments, np).to_client(),
    insecure=root is None,
    root_certificates=root,
)
say(done=True)
