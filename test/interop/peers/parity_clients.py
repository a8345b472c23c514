"""Stock Flower clients in one process, whose updates depend on seed, client, round and model alone.

    parity_clients.py HOST:PORT NUMBER

Prints one JSON object at the end: the models that the first client was given to evaluate, round by round.
"""

import json
import os
import sys
import threading
import warnings

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
warnings.filterwarnings("ignore")

import flwr  # noqa: E402
import numpy as np  # noqa: E402

LOSS = 0.7  # As in stock_server.py.
models = []


class Client(flwr.client.NumPyClient):
    def __init__(self, number):
        self.number = number
        self.round = 0

    def fit(self, parameters, config):
        """A step towards a place of the client's own, and noise: what training does to a model."""
        self.round += 1
        own, noise = np.random.default_rng([2026, self.number]), np.random.default_rng([self.number, self.round])
        trained = []
        for p in parameters:
            place = own.standard_normal(p.shape) * (1 + self.number)
            trained.append((p + 0.3 * (place - p) + 0.05 * noise.standard_normal(p.shape)).astype(p.dtype))
        return trained, 10 + 13 * self.number, {"train_loss": LOSS}

    def evaluate(self, parameters, config):
        if self.number == 0:
            models.append([p.reshape(-1).tolist() for p in parameters])
        return 0.5, 10, {"accuracy": 0.5}


def live(number):
    flwr.client.start_client(server_address=sys.argv[1], client=Client(number).to_client(), insecure=True)


threads = [threading.Thread(target=live, args=(number,)) for number in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"models": models}), flush=True)
