"""The graph of a convolutional network with modules inside modules."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.tensorboard import SummaryWriter


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class Net(nn.Module):
    """Pictures to classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 5, stride=2)
        self.blocks = nn.Sequential(Block(8), Block(8))
        self.head = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


torch.manual_seed(3)
writer = SummaryWriter("runs/net")
writer.add_graph(Net(), torch.rand(1, 3, 16, 16))
writer.close()
