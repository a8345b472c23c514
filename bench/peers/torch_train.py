# Trains one model with PyTorch on one thread; the data and the model are made up here.
# Usage: torch_train.py MODEL OPTIMIZER BATCH STEPS. Says {"parameters"}; a line of input is answered by {"msPerStep", "loss"}.
import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = (
            nn.Identity()
            if stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x):
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


def resnet18():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(Block(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def lenet():
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.encoder(x).mean(1))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(28, 128, batch_first=True)
        self.head = nn.Linear(128, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


MODELS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), (784,)),
    "lenet": (lenet, (1, 28, 28)),
    "transformer": (Transformer, (64, 128)),
    "resnet18": (resnet18, (3, 64, 64)),
    "lstm": (Lstm, (28, 28)),
}


def main():
    build, shape = MODELS[sys.argv[1]]
    batch, steps = map(int, sys.argv[3:])
    torch.set_num_threads(1)
    torch.manual_seed(7)
    model, loss_of = build(), nn.CrossEntropyLoss()
    if sys.argv[2] == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    else:
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
