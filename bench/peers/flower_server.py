# Flower's own server with FedAvg over a model of 20 float32 arrays.
# Usage: flower_server.py BYTES ROUNDS CLIENTS [DIRECTORY OF CERTIFICATES]. Says {"address"} before it listens, {"rounds"} after the last round.
import json
import socket
import sys
import threading
from pathlib import Path

import numpy as np
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerConfig, start_server
from flwr.server.strategy import FedAvg

from lifeline import end_with_input


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def main():
    size, rounds, clients = map(int, sys.argv[1:4])
    address = free_address()
    certificates = None
    if len(sys.argv) > 4:
        address = address.replace("127.0.0.1", "localhost")
        certificates = tuple((Path(sys.argv[4]) / name).read_bytes() for name in ("ca.pem", "server.pem", "server.key.pem"))
    end_with_input()
    random = np.random.default_rng(7)
    arrays = [random.standard_normal(size // 80, dtype=np.float32) for _ in range(20)]
    strategy = FedAvg(
        min_fit_clients=clients,
        min_evaluate_clients=clients,
        min_available_clients=clients,
        initial_parameters=ndarrays_to_parameters(arrays),
    )
    del arrays
    print(json.dumps({"address": address}), flush=True)
    history = start_server(
        server_address=address,
        config=ServerConfig(num_rounds=rounds),
        strategy=strategy,
        grpc_max_message_length=2**31 - 1,
        certificates=certificates,
    )
    print(json.dumps({"rounds": len(history.losses_distributed)}), flush=True)
    threading.Event().wait()


main()
