"""What a client of the interop tests does, whoever carries its words: flwr's client or our own.

    --server HOST:PORT [--add X] [--examples N] [--mode echo|die|slow|scalars|dtypes|misfit] [--ca FILE]

Prints one JSON object a line: what it was asked and what it saw.
"""

import argparse
import json
import os
import time

SCALARS = {
    "float": 0.5,
    "whole_float": 2.0,
    "int": 7,
    "negative": -3,
    "large": 2**63 + 1,
    "bool": True,
    "str": "text",
    "bytes": b"\x00\xff",
}


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--add", type=float, default=0.0)
    parser.add_argument("--examples", type=int, default=10)
    parser.add_argument("--mode", default="echo")
    parser.add_argument("--ca")
    return parser


def say(**what):
    print(json.dumps(what), flush=True)


def described(config):
    return {key: [type(value).__name__, str(value)] for key, value in config.items()}


class Behaviour:
    """The three methods of a NumPyClient. `arrays` makes its tensors: numpy, or what stands in for it."""

    def __init__(self, arguments, arrays):
        self.arguments = arguments
        self.arrays = arrays

    def get_parameters(self, config):
        if self.arguments.mode == "dtypes":
            from dtypes import every_dtype

            return every_dtype()
        return [self.arrays.zeros((2, 2), "f4"), self.arrays.zeros((3,), "f4")]

    def fit(self, parameters, config):
        say(asked="fit", config=described(config))
        mode, examples = self.arguments.mode, self.arguments.examples
        if mode == "die":
            os._exit(3)
        if mode == "slow":
            time.sleep(4)
        if mode == "dtypes":
            from dtypes import every_dtype, same_as_every_dtype

            say(same=same_as_every_dtype(parameters))
            return every_dtype(), examples, {}
        if mode == "misfit":
            return [self.arrays.zeros((7, 7), "f4")], examples, {}
        metrics = SCALARS if mode == "scalars" else {}
        return [(p + self.arguments.add).astype(p.dtype) for p in parameters], examples, metrics

    def evaluate(self, parameters, config):
        say(asked="evaluate", config=described(config))
        return float(abs(parameters[0]).sum()), self.arguments.examples, {"accuracy": 0.25}
