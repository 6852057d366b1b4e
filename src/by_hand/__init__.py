"""The lesson: layers, losses and an optimizer with forward and backward written out.

    linear.py       Linear, Flatten: what a backward is
    activations.py  ReLU, Tanh, Sigmoid: one number at a time
    losses.py       MSELoss, CrossEntropyLoss: where the backward begins
    sgd.py          SGD: what the gradients are for
    convolution.py  Conv2d: windows into an image, and the way back
    pooling.py      MaxPool2d: the gradient goes to the winner
    batch_norm.py   BatchNorm2d: every value depends on the whole batch
    dropout.py      Dropout: random in training only
    net.py          CNN: all of it in one net, `net=by_hand`

Training needs dL/dw, the gradient of the loss L by each weight w. A net is a chain of functions y = f(x, w), and the
chain rule takes the gradient back through one function at a time (Rumelhart, Hinton & Williams 1986). So each function
here is a `torch.autograd.Function` with two halves:

    forward(ctx, x, w)    computes y, and leaves in ctx what the way back will need;
    backward(ctx, grad)   is given grad = dL/dy, in the shape of y, and returns dL/dx and dL/dw, in those of x and w:
                          one for each argument of forward, None for what is no variable.

autograd only calls the backwards in reverse order and adds up where ways meet. `once_differentiable` says that a
backward is not itself to be differentiated: there is no gradient of a gradient here.

The nn.Module around each Function keeps the parameters. Names, shapes and initial values are those of torch.nn, so that
a state dict of the one loads into the other. The axes: B examples, I inputs, O outputs, C channels, H x W pixels.
"""

from __future__ import annotations

from src.by_hand.activations import ReLU, Sigmoid, Tanh
from src.by_hand.batch_norm import BatchNorm2d
from src.by_hand.convolution import Conv2d
from src.by_hand.dropout import Dropout
from src.by_hand.linear import Flatten, Linear
from src.by_hand.losses import CrossEntropyLoss, MSELoss
from src.by_hand.net import CNN
from src.by_hand.pooling import MaxPool2d
from src.by_hand.sgd import SGD

__all__ = [
    "CNN",
    "SGD",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "ReLU",
    "Sigmoid",
    "Tanh",
]
