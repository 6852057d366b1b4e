"""The class of each pixel: the task, a U-Net, and a picture of what it predicts.

B pictures of H x W pixels, C classes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from src.console.messages import UserError
from src.datamodule import DataModule
from src.datasets.description import DataDescription
from src.module import SupervisedModule
from src.nets.shapes import check_image
from src.plots.picture import Picture
from src.tasks.counts import ClassCounts
from src.tasks.task import Task

COLOURS = ["#e8e8e8", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"]  # Okabe & Ito 2008
SHOWN = 6  # pictures


class Segmentation(Task):
    """Probabilities (B, C, H, W) of each pixel's classes; y holds class numbers (B, H, W). The loss is cross-entropy.

    Raises:
        UserError: y is no image of classes that have names.
    """

    file_ending = ".png"

    def __init__(self, data: DataDescription) -> None:
        if data.classes is None or len(data.target_shape) != 2:
            raise UserError(
                f"Segmentation needs a class number for each pixel, and the Dataset's `classes`, but y of an example "
                f"has shape {list(data.target_shape)}."
            )
        self.classes = data.classes
        super().__init__(data, len(data.classes), (len(data.classes), *data.target_shape))
        self.pictures = ("masks",)
        self.metric_parameters = {"task": "multiclass", "num_classes": len(data.classes)}

    def summary(self) -> tuple[str, str]:
        return "segmentation", f"{len(self.classes)} classes"

    def truth(self, y: Tensor) -> Tensor:
        return y.long()

    def loss(self, outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return F.cross_entropy(outputs, target, weight)

    def predictions(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(dim=1)

    def metrics(self) -> dict[str, Metric]:
        count = len(self.classes)
        return {
            "iou": MulticlassJaccardIndex(count, average="macro", validate_args=False),
            "pixel_accuracy": MulticlassAccuracy(count, average="micro", validate_args=False),
        }

    def save(self, prediction: Tensor, path: Path) -> None:
        """Write the numbers of the likeliest classes of (C, H, W), with a colour for each."""
        image = Image.fromarray(prediction.argmax(dim=0).byte().numpy(), mode="P")
        image.putpalette(bytes.fromhex("".join(colour.removeprefix("#") for colour in COLOURS)))
        image.save(path)

    def counts(self) -> ClassCounts:
        return ClassCounts(len(self.classes))


class UNet(nn.Module):
    """A U-Net (Ronneberger et al. 2015): down to small images of many channels and up again, with a view of the large
    ones; x (B, channels, H, W) -> scores (B, C, H, W).

    Args:
        channels: of each size of the image, the largest first; each is half as high and wide as the one before.

    Raises:
        UserError: x is no image, or one that cannot be halved so often.
    """

    def __init__(self, input_shape: tuple[int, ...], output_size: int, channels: list[int]) -> None:
        super().__init__()
        check_image("a U-Net", input_shape)
        if any(side % 2 ** (len(channels) - 1) for side in input_shape[1:]):
            raise UserError(f"channels={channels}: images of {list(input_shape[1:])} cannot be halved so often.")
        inputs = [input_shape[0], *channels]
        self.down = nn.ModuleList(_two_convolutions(*pair) for pair in zip(inputs, channels, strict=False))
        larger = list(zip(channels[1:], channels, strict=False))[::-1]
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(small, large, 2, stride=2) for small, large in larger)
        self.up = nn.ModuleList(_two_convolutions(2 * large, large) for _, large in larger)
        self.scores = nn.Conv2d(channels[0], output_size, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            seen.append(x)
        for enlarge, block, before in zip(self.enlarge, self.up, seen[-2::-1], strict=True):
            x = block(torch.cat([enlarge(x), before], dim=1))
        return self.scores(x)


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class Masks(Picture):
    """The first pictures of the split: each beside its true mask and the predicted one."""

    name = "masks"

    def __init__(self) -> None:
        self.shown: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, x: Tensor, truth: Tensor, predictions: Tensor) -> None:
        examples = zip(x.cpu(), truth.cpu(), predictions.argmax(dim=1).cpu(), strict=True)
        self.shown = [*self.shown, *examples][:SHOWN]

    def draw(self, module: SupervisedModule, data: DataModule, split: str, metrics: dict[str, float]) -> Figure:
        classes = module.task.data.classes or []
        shown, self.shown = self.shown, []
        figure = Figure(figsize=(1.5 * len(shown) + 1, 5.6), layout="constrained")
        figure.suptitle(f"Mean IoU {metrics[f'{split}/iou']:.3f} on the {split} split")
        rows = figure.subplots(3, len(shown), squeeze=False)
        colours = {"cmap": ListedColormap(COLOURS), "vmin": 0, "vmax": len(COLOURS) - 1, "interpolation": "nearest"}
        for (above, middle, below), (x, truth, predicted) in zip(rows.T, shown, strict=True):
            above.imshow(x.permute(1, 2, 0).numpy())  # (C, H, W) -> (H, W, C)
            middle.imshow(truth.numpy(), **colours)
            below.imshow(predicted.numpy(), **colours)
            below.set_xlabel(f"{(truth == predicted).float().mean():.1%} right", fontsize=9)
        for axes in rows.flat:
            axes.set(xticks=[], yticks=[])
        for axes, label in zip(rows[:, 0], ("picture", "truth", "prediction"), strict=True):
            axes.set_ylabel(label)
        patches = [Patch(facecolor=colour, label=name) for colour, name in zip(COLOURS, classes, strict=False)]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
        return figure
