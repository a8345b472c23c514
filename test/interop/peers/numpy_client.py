"""A stock Flower client over NumPyClient, for Perennial's interop tests. Everything it is told is on its command line.

    python numpy_client.py --server HOST:PORT [--add X] [--examples N] [--mode echo|die|slow|scalars|dtypes|rubbish] [--ca FILE]

Prints one JSON object a line: what it was asked and what it saw.
"""

import argparse
import json
import os
import time
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
warnings.filterwarnings("ignore")

import flwr  # noqa: E402
import numpy as np  # noqa: E402


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--add", type=float, default=0.0)
    parser.add_argument("--examples", type=int, default=10)
    parser.add_argument("--mode", default="echo")
    parser.add_argument("--ca")
    return parser.parse_args()


def say(**what):
    print(json.dumps(what), flush=True)


def every_dtype():
    """One tensor of every numpy type and layout that the protocol carries."""
    plain = [np.arange(6).reshape(2, 3).astype(t) for t in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
    return plain + [
        np.asfortranarray(np.arange(6, dtype="f4").reshape(2, 3)),
        np.arange(24, dtype="f8").reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(3, dtype=">f4"),
        np.array([True, False]),
        np.array(2.5, dtype="f4"),
        np.zeros((0, 4), dtype="f4"),
    ]


class Client(flwr.client.NumPyClient):
    def __init__(self, arguments):
        self.arguments = arguments
        self.fits = 0

    def get_parameters(self, config):
        if self.arguments.mode == "dtypes":
            return every_dtype()
        return [np.zeros((2, 2), dtype=np.float32), np.zeros(3, dtype=np.float32)]

    def fit(self, parameters, config):
        self.fits += 1
        say(asked="fit", fits=self.fits, config={k: [type(v).__name__, str(v)] for k, v in config.items()})
        if self.arguments.mode == "die":
            os._exit(3)
        if self.arguments.mode == "slow":
            time.sleep(4)
        if self.arguments.mode == "dtypes":
            same = [
                bool(a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and a.shape == b.shape and np.array_equal(a, b))
                for a, b in zip(parameters, every_dtype())
            ]
            say(same=same)
            return every_dtype(), self.arguments.examples, {}
        if self.arguments.mode == "rubbish":
            return [np.full((7, 7), np.nan, dtype=np.float32)], self.arguments.examples, {}
        metrics = {}
        if self.arguments.mode == "scalars":
            metrics = {
                "float": 0.5,
                "whole_float": 2.0,
                "int": 7,
                "negative": -3,
                "large": 2**63 + 1,
                "bool": True,
                "str": "text",
                "bytes": b"\x00\xff",
            }
        added = [(p + self.arguments.add).astype(p.dtype) for p in parameters]
        return added, self.arguments.examples, metrics

    def evaluate(self, parameters, config):
        say(asked="evaluate", config={k: [type(v).__name__, str(v)] for k, v in config.items()})
        return float(abs(parameters[0]).sum()), self.arguments.examples, {"accuracy": 0.25}


arguments = parse()
root = open(arguments.ca, "rb").read() if arguments.ca else None
flwr.client.start_client(
    server_address=arguments.server,
    client=Client(arguments).to_client(),
    insecure=root is None,
    root_certificates=root,
)
say(done=True)
