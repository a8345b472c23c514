"""A stock Flower server with FedAvg, for Perennial's interop tests.

    python flower_server.py --address HOST:PORT --rounds N --clients K

Prints one JSON object at the end: losses, metrics, and the final parameters.
"""

import argparse
import json
import logging
import os
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
warnings.filterwarnings("ignore")

import flwr  # noqa: E402
from flwr.common import parameters_to_ndarrays  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--address", required=True)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--clients", type=int, default=2)
arguments = parser.parse_args()
logging.disable(logging.CRITICAL)


class Recording(flwr.server.strategy.FedAvg):
    """FedAvg that keeps its last aggregate."""

    latest = None

    def aggregate_fit(self, server_round, results, failures):
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        if parameters is not None:
            Recording.latest = [a.tolist() for a in parameters_to_ndarrays(parameters)]
        return parameters, metrics


def mean(reports):
    total = sum(n for n, _ in reports)
    return {"accuracy": sum(n * m["accuracy"] for n, m in reports) / total}


history = flwr.server.start_server(
    server_address=arguments.address,
    config=flwr.server.ServerConfig(num_rounds=arguments.rounds),
    strategy=Recording(
        min_fit_clients=arguments.clients,
        min_evaluate_clients=arguments.clients,
        min_available_clients=arguments.clients,
        on_fit_config_fn=lambda r: {"server_round": r, "rate": 0.5, "name": "x", "flag": True, "blob": b"\x01"},
        evaluate_metrics_aggregation_fn=mean,
    ),
)
print(
    json.dumps(
        {
            "losses": history.losses_distributed,
            "accuracy": history.metrics_distributed.get("accuracy"),
            "parameters": Recording.latest,
        }
    ),
    flush=True,
)
