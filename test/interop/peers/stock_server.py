"""A stock Flower server, for Perennial's interop and parity tests.

    stock_server.py --address HOST:PORT [--strategy NAME] [--rounds N] [--clients K] [--dtypes] [--clip NORM]

Prints one JSON object at the end: losses, metrics, what it saw of each client's answers, the final parameters.
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
from dtypes import every_dtype, same_as_every_dtype  # noqa: E402
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays  # noqa: E402
from flwr.server import strategy as stock  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--address", required=True)
parser.add_argument("--strategy", default="fedavg")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--clients", type=int, default=2)
parser.add_argument("--dtypes", action="store_true")
parser.add_argument("--shapes", type=json.loads)
parser.add_argument("--clip", type=float)
arguments = parser.parse_args()
logging.disable(logging.CRITICAL)

# What q-FedAvg takes for every client's loss; the parity client reports the same.
LOSS = 0.7
rows = {
    "fedavg": (stock.FedAvg, {}),
    "faulttolerantfedavg": (stock.FaultTolerantFedAvg, {}),
    "fedprox": (stock.FedProx, {"proximal_mu": 0.1}),
    "fedavgm": (stock.FedAvgM, {"server_learning_rate": 0.5, "server_momentum": 0.9}),
    "fedadam": (stock.FedAdam, {}),
    "fedadagrad": (stock.FedAdagrad, {}),
    "fedyogi": (stock.FedYogi, {}),
    "fedmedian": (stock.FedMedian, {}),
    "fedtrimmedavg": (stock.FedTrimmedAvg, {"beta": 0.2}),
    "krum": (stock.Krum, {"num_malicious_clients": 1}),
    "multikrum": (stock.Krum, {"num_malicious_clients": 1, "num_clients_to_keep": 3}),
    # Bulyan hands its extra arguments on to Krum, which needs one.
    "bulyan": (stock.Bulyan, {"num_malicious_clients": 3, "to_keep": 0}),
    "qfedavg": (stock.QFedAvg, {"evaluate_fn": lambda number, arrays, config: (LOSS, {})}),
}
kind, options = rows[arguments.strategy]
seen = {"same": [], "metrics": []}


class Recording(kind):
    """The stock strategy, what arrived, and the last model it made."""

    latest = None

    def aggregate_fit(self, server_round, results, failures):
        for _, result in results:
            seen["metrics"].append({k: [type(v).__name__, str(v)] for k, v in sorted(result.metrics.items())})
            if arguments.dtypes:
                seen["same"].append(same_as_every_dtype(parameters_to_ndarrays(result.parameters)))
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        if parameters is not None:
            Recording.latest = [a.tolist() for a in parameters_to_ndarrays(parameters)]
        return parameters, metrics


def mean(reports):
    total = sum(n for n, _ in reports)
    return {"accuracy": sum(n * m["accuracy"] for n, m in reports) / total}


if arguments.dtypes:
    options["initial_parameters"] = ndarrays_to_parameters(every_dtype())
if arguments.shapes:
    start = [np.zeros(shape, dtype=np.float32) for shape in arguments.shapes]
    options["initial_parameters"] = ndarrays_to_parameters(start)
strategy = Recording(
    min_fit_clients=arguments.clients,
    min_evaluate_clients=arguments.clients,
    min_available_clients=arguments.clients,
    on_fit_config_fn=lambda r: {"server_round": r, "rate": 0.5, "name": "x", "flag": True, "blob": b"\x01"},
    evaluate_metrics_aggregation_fn=mean,
    **options,
)
if arguments.clip is not None:
    # Without noise, so that what the clients sent can be told from the model.
    strategy = stock.DifferentialPrivacyClientSideAdaptiveClipping(
        strategy, 0.0, arguments.clients, initial_clipping_norm=arguments.clip
    )
history = flwr.server.start_server(
    server_address=arguments.address,
    config=flwr.server.ServerConfig(num_rounds=arguments.rounds),
    strategy=strategy,
)
print(
    json.dumps(
        {
            "losses": history.losses_distributed,
            "accuracy": history.metrics_distributed.get("accuracy"),
            "parameters": Recording.latest if not arguments.dtypes else None,
            **seen,
        }
    ),
    flush=True,
)
