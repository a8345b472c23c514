"""The two networks of this example, as one would write them in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions, each with batch normalisation, and a way around them."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Grey images of 28x28 pixels to ten digits, in three stages."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(
            Block(width, width, 1), Block(width, 2 * width, 2), Block(2 * width, 4 * width, 2)
        )
        self.head = nn.Linear(4 * width, 10)

    def forward(self, x):
        y = self.stages(F.relu(self.bn(self.stem(x))))
        return self.head(F.adaptive_avg_pool2d(y, 1).flatten(1))


class LanguageClassifier(nn.Module):
    """A name, as the numbers of its letters, to the language it is written in; 0 is what follows its end."""

    def __init__(self, letters=384, length=24, languages=8, width=32):
        super().__init__()
        self.letters = nn.Embedding(letters, width)
        self.places = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, languages)

    def forward(self, text):
        written = (text != 0).unsqueeze(-1).float()
        y = self.encoder(self.letters(text) + self.places, src_key_padding_mask=text == 0)
        return self.head((y * written).sum(1) / written.sum(1))


def models():
    """Each network with one batch of what it takes, by name."""
    torch.manual_seed(1)
    text = torch.randint(1, 384, (4, 24)) * (torch.arange(24) < torch.tensor([[24], [3], [10], [17]]))
    return {
        "resnet": (SmallResNet(), torch.randn(4, 1, 28, 28)),
        "transformer": (LanguageClassifier(), text),
    }
