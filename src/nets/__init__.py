"""The architectures, one a file: called with the shape of an example and the number of outputs."""

from __future__ import annotations

from src.nets.cnn import CNN
from src.nets.googlenet import GoogLeNet
from src.nets.inception import Inception
from src.nets.line import LineNested, LineParameters
from src.nets.mlp import MLP
from src.nets.resnet import ResNet
from src.nets.rnn import RNN
from src.nets.rnn_cell import RNNByCell
from src.nets.tabular import Tabular

__all__ = [
    "CNN",
    "MLP",
    "RNN",
    "GoogLeNet",
    "Inception",
    "LineNested",
    "LineParameters",
    "RNNByCell",
    "ResNet",
    "Tabular",
]
