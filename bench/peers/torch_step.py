# Trains one model with PyTorch on one thread; the data and the model are made up here.
# Usage: torch_step.py MODEL BATCH STEPS. Says {"parameters"}; each line of input is answered by {"msPerStep", "loss"}.
import json
import sys
import time

import torch
from torch import nn

MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (784,)),
    "lenet": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1568, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        ),
        (1, 28, 28),
    ),
}


def main():
    build, shape = MODELS[sys.argv[1]]
    batch, steps = map(int, sys.argv[2:])
    torch.set_num_threads(1)
    torch.manual_seed(7)
    model, loss_of = build(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, targets = torch.rand(batch * steps, *shape), torch.randint(10, (batch * steps,))
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}), flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        total = 0.0
        # As on the other side, an epoch is shuffled, and the loss of each step is looked at.
        for chosen in torch.randperm(batch * steps).split(batch):
            optimizer.zero_grad()
            loss = loss_of(model(inputs[chosen]), targets[chosen])
            loss.backward()
            optimizer.step()
            total += loss.item()
        took = time.perf_counter() - begun
        print(json.dumps({"msPerStep": 1000 * took / steps, "loss": total / steps}), flush=True)


main()
