# Aggregates made-up updates in memory with Flower's own functions.
# Usage: flower_aggregate.py NAME CLIENTS BYTES; each line of input is answered by {"seconds"}.
import json
import sys
import time

import numpy as np
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import aggregate as flower


def main():
    name, clients, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random = np.random.default_rng(7)
    model = [random.standard_normal(size // 80, dtype=np.float32) for _ in range(20)]
    results = []
    for client in range(clients):
        shift = np.float32(random.standard_normal())
        parameters = ndarrays_to_parameters([array * shift for array in model])
        results.append((None, FitRes(Status(Code.OK, ""), parameters, 10 + client, {})))

    def unpacked():
        return [(parameters_to_ndarrays(result.parameters), result.num_examples) for _, result in results]

    # What the strategies of this version call with the answers of a round.
    run = {
        "mean": lambda: flower.aggregate_inplace(results),
        "median": lambda: flower.aggregate_median(unpacked()),
        "trimmed-mean": lambda: flower.aggregate_trimmed_avg(unpacked(), 0.2),
        "krum": lambda: flower.aggregate_krum(unpacked(), 2, 0),
    }[name]
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        run()
        print(json.dumps({"seconds": time.perf_counter() - begun}), flush=True)


main()
