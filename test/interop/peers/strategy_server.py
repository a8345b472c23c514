"""A stock Flower server under a named strategy, for Perennial's parity tests.

    python strategy_server.py --address HOST:PORT --strategy NAME --rounds N --clients K

Begins with zeros and prints the model after the last round as one JSON object.
"""

import argparse
import json
import logging
import os
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
warnings.filterwarnings("ignore")

import flwr  # noqa: E402
import numpy as np  # noqa: E402
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays  # noqa: E402
from flwr.server import strategy as stock  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--address", required=True)
parser.add_argument("--strategy", required=True)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--clients", type=int, default=3)
arguments = parser.parse_args()
logging.disable(logging.CRITICAL)

rows = {
    "fedavg": (stock.FedAvg, {}),
    "faulttolerantfedavg": (stock.FaultTolerantFedAvg, {}),
    "fedprox": (stock.FedProx, {"proximal_mu": 0.1}),
    "fedavgm": (stock.FedAvgM, {"server_learning_rate": 0.5, "server_momentum": 0.9}),
    "fedadam": (stock.FedAdam, {}),
    "fedadagrad": (stock.FedAdagrad, {}),
    "fedyogi": (stock.FedYogi, {}),
    "fedmedian": (stock.FedMedian, {}),
    "fedtrimmedavg": (stock.FedTrimmedAvg, {"beta": 0.34}),
    "multikrum": (stock.Krum, {"num_malicious_clients": 1, "num_clients_to_keep": 2}),
}
kind, options = rows[arguments.strategy]


class Recording(kind):
    """The stock strategy, and the last model it made."""

    latest = None

    def aggregate_fit(self, server_round, results, failures):
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        Recording.latest = [a.reshape(-1).tolist() for a in parameters_to_ndarrays(parameters)]
        return parameters, metrics


start = [np.zeros((2, 2), dtype=np.float32), np.zeros(3, dtype=np.float32)]
flwr.server.start_server(
    server_address=arguments.address,
    config=flwr.server.ServerConfig(num_rounds=arguments.rounds),
    strategy=Recording(
        min_fit_clients=arguments.clients,
        min_evaluate_clients=arguments.clients,
        min_available_clients=arguments.clients,
        initial_parameters=ndarrays_to_parameters(start),
        **options,
    ),
)
print(json.dumps({"parameters": Recording.latest}), flush=True)
