"""A stock Flower client that trains a small network on its part of MNIST with numpy alone.

    flower_client.py --server HOST:PORT --images FILE --labels FILE --first N --count N

Nothing in it knows of Perennial: the same file joins a Flower server.
"""

import argparse

import flwr
import numpy as np

RATE, MOMENTUM, BATCH = 0.05, 0.9, 32


def read_digits(images, labels, first, count):
    """Rows of 784 numbers with the mean and spread of MNIST removed, and the digit on each."""
    pixels = np.fromfile(images, np.uint8, count * 784, offset=16 + first * 784).reshape(count, 784)
    digits = np.fromfile(labels, np.uint8, count, offset=8 + first)
    return ((pixels / 255 - 0.1307) / 0.3081).astype(np.float32), digits


def forward(parameters, x):
    w1, b1, w2, b2 = parameters
    hidden = np.maximum(x @ w1.T + b1, 0)
    scores = hidden @ w2.T + b2
    exponentials = np.exp(scores - scores.max(1, keepdims=True))
    return hidden, exponentials / exponentials.sum(1, keepdims=True)


def gradients(parameters, x, y):
    """Of the mean cross-entropy, in the order of the parameters."""
    hidden, probabilities = forward(parameters, x)
    at_scores = (probabilities - np.eye(10, dtype=np.float32)[y]) / len(y)
    at_hidden = (at_scores @ parameters[2]) * (hidden > 0)
    return [at_hidden.T @ x, at_hidden.sum(0), at_scores.T @ hidden, at_scores.sum(0)]


class Client(flwr.client.NumPyClient):
    def __init__(self, x, y):
        # A twelfth judges and is never trained on.
        held = len(y) // 12
        self.train, self.test = (x[held:], y[held:]), (x[:held], y[:held])

    def fit(self, parameters, config):
        x, y = self.train
        parameters = [p.copy() for p in parameters]
        momenta = [np.zeros_like(p) for p in parameters]
        for batch in np.array_split(np.random.permutation(len(y)), len(y) // BATCH):
            for p, m, g in zip(parameters, momenta, gradients(parameters, x[batch], y[batch])):
                m *= MOMENTUM
                m += g
                p -= np.float32(RATE) * m
        return parameters, len(y), {}

    def evaluate(self, parameters, config):
        x, y = self.test
        _, probabilities = forward(parameters, x)
        loss = -np.log(probabilities[np.arange(len(y)), y] + 1e-9).mean()
        return float(loss), len(y), {"accuracy": float((probabilities.argmax(1) == y).mean())}


parser = argparse.ArgumentParser()
parser.add_argument("--server", required=True)
parser.add_argument("--images", required=True)
parser.add_argument("--labels", required=True)
parser.add_argument("--first", type=int, default=0)
parser.add_argument("--count", type=int, default=2000)
arguments = parser.parse_args()
digits = read_digits(arguments.images, arguments.labels, arguments.first, arguments.count)
flwr.client.start_client(server_address=arguments.server, client=Client(*digits).to_client(), insecure=True)
