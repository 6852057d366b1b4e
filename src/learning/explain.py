"""How much each column of a table has moved a prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src.console.messages import UserError, listed, nearest
from src.console.screen import notice
from src.datasets.description import DataDescription
from src.tasks.task import rounded

Predict = Callable[[Tensor], Tensor]
STEPS, FEW, DEPTH = 32, 8, 12  # points on the way from the baseline to x, on a part of it; how often it is halved
TOLERANCE = 3e-4  # of an example's effects, by which their sum may be off in a stretch; it is mended in the end
TOLD = 0.02  # of them all, from which it is not mended, but told


class Explanation:
    """The effects of columns on predictions, in the target's units; of classes, on the probability of one.

    Args:
        module: predicts from x; the mean by which it standardizes, that of the training data, is the baseline.
        data: what it has learnt from.
        reader: of the run's table.
        what: true: the single value, or the class that is predicted for a row; else the name of a value or class.

    Raises:
        UserError: the run has not learnt from a table, or it is not clear which prediction is meant.
    """

    def __init__(self, module: Any, data: DataDescription, reader: Any, what: str) -> None:
        if not (hasattr(reader, "feature_counts") and hasattr(module, "input_scale")):
            raise UserError(f"explain={what}: this run reads no table, whose columns could have effects.")
        names = data.classes or data.targets
        if what != "true" and what not in names:
            hint = nearest(what, [*names, "true"]) or f" There are true, {listed(names)}."
            raise UserError(f"explain={what}: the run predicts no such thing.{hint}")
        if what == "true" and not data.classes and len(names) > 1:
            each = " or ".join(f"explain={name}" for name in names)
            raise UserError(f"explain=true: the run predicts several values for a row. Say which: {each}.")
        scale = module.input_scale
        if not scale.mean.any() and (scale.std == 1).all():
            notice("The run has standardized nothing, so the mean of its data is not known: effects are against zeros.")
        self.predict: Predict = module
        self.count = len(names)
        self.chosen = names.index(what) if what in names else None if data.classes else 0  # None: what is predicted
        self.baseline = scale.mean.expand(tuple(size or 1 for size in data.input_shape))[None]
        self.columns, counts = list(reader.feature_counts), torch.tensor(list(reader.feature_counts.values()))
        self.owners = torch.arange(len(counts)).repeat_interleave(counts)  # of each feature its column
        starts = (counts.cumsum(0) - counts).tolist()
        self.codes = [start for start, c in zip(starts, data.columns or (), strict=False) if c.get("codes")]
        self.rows = self.rows_off = 0

    @torch.inference_mode(False)
    def __call__(self, x: Tensor, predictions: Tensor) -> dict[str, Any]:
        """For x (B, *shape) and its predictions (B, K): that of the baseline, and `effect_<column>`, what each adds."""
        if predictions.shape[1:] != (self.count,):
            raise UserError("explain=true: the predictions of this task are neither values nor classes.")
        x = x.clone()  # one that comes from inference_mode has no gradients
        which = predictions.argmax(dim=1) if self.chosen is None else torch.full((len(x),), self.chosen)
        which = which.to(x.device)
        baseline = self.baseline.expand_as(x).clone()
        first = _answers(self.predict, baseline, which).cpu()
        of_codes = self._move_codes(baseline, x, which)
        found, off = effects(self.predict, x, baseline, which)
        self.rows, self.rows_off = self.rows + len(x), self.rows_off + int((off > TOLD).sum())
        sums = torch.zeros(len(x), len(self.columns), dtype=found.dtype).index_add(1, self.owners, found + of_codes)
        values = rounded(torch.cat([first[:, None], sums], dim=1))
        names = ["baseline_prediction", *(f"effect_{name}" for name in self.columns)]
        return {name: values[:, j] for j, name in enumerate(names)}

    def _move_codes(self, start: Tensor, x: Tensor, which: Tensor) -> Tensor:
        """Give `start` (B, F) the codes of x, one after the other; their effects, float64 (B, F).

        They go first and alone: on a straight way each would pass all that lie between, of which each is different.
        """
        found = torch.zeros(len(x), len(self.owners), dtype=torch.float64)
        before = _answers(self.predict, start, which).cpu().double()
        for place in self.codes:
            start[:, place] = x[:, place]
            after = _answers(self.predict, start, which).cpu().double()
            found[:, place], before = after - before, after
        return found

    def tell(self) -> None:
        """Say of how many rows the effects do not add up to what the prediction has moved."""
        if self.rows_off:
            notice(
                f"explain=true: of {self.rows_off} of {self.rows} rows the effects add up to more or less than the "
                "prediction has moved: the net jumps where a gradient sees nothing."
            )


def effects(predict: Predict, x: Tensor, baseline: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
    """Integrated gradients (Sundararajan, Taly & Yan 2017): an example's add up to its prediction less the baseline's.

    Of a linear net each is exactly the coefficient times the difference. The gradients on the straight way from the
    baseline are summed by the rule of Gauss and Legendre; a stretch whose sum is off, since the net has a kink there,
    is halved, and each half looked at again. What little is left is shared out by the size of the effects.

    Args:
        predict: x (B, *shape) -> (B, K).
        x: (B, *shape), float.
        baseline: (1, *shape), or (B, *shape).
        which: the one of the K that is meant, (B,).

    Returns:
        Those of all features, float64 (B, F); and by which share of them their sum was off, (B,). On the CPU.

    Raises:
        UserError: the net has no gradient.
    """
    baseline = baseline.expand_as(x)
    step = x - baseline
    found = torch.zeros(len(x), step[0].numel(), dtype=torch.float64)
    ends = [_answers(predict, point, which).cpu().double() for point in (baseline, x)]
    moved, size = ends[1] - ends[0], torch.zeros(len(x))
    stretches = [(torch.arange(len(x)), torch.zeros(len(x)), torch.ones(len(x)), STEPS)]  # example, begin, end
    for depth in range(DEPTH):
        halves = []
        for row, begin, end, steps in stretches:
            part, off = _stretch(predict, baseline[row], step[row], which[row], begin, end, steps)
            if depth == 0:  # 32 bits end somewhere
                size = part.abs().sum(dim=1).maximum(moved.abs()) + 0.01 * ends[1].abs() + 1e-30
            again = (off > TOLERANCE * size[row]) & (depth < DEPTH - 1)
            found.index_add_(0, row[~again], part[~again])
            row, begin, end = row[again], begin[again], end[again]
            middle = (begin + end) / 2
            more = torch.cat([row, row]), torch.cat([begin, middle]), torch.cat([middle, end])
            halves += [(*of_some, FEW) for of_some in zip(*(t.split(len(x)) for t in more), strict=True) if len(row)]
        stretches = halves
    rest = moved - found.sum(dim=1)
    off = rest.abs() / size
    found += torch.where(off > TOLD, 0, rest / (found.abs().sum(dim=1) + 1e-30))[:, None] * found.abs()
    return found, off


def _stretch(
    predict: Predict, baseline: Tensor, step: Tensor, which: Tensor, begin: Tensor, end: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Effects (B, F) of the way between shares of `step` (B,), `begin` and `end`; how far their sum is off, (B,)."""

    def at(share: Tensor) -> Tensor:
        return baseline + share.reshape(-1, *[1] * (step.dim() - 1)).to(step) * step

    total = torch.zeros(step.shape, dtype=torch.float64)
    for place, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):  # from -1 to 1
        total += float(weight) / 2 * _gradient(predict, at(begin + (end - begin) * float(place + 1) / 2), which).cpu()
    found = (total * step.cpu()).flatten(1) * (end - begin)[:, None]
    first, last = (_answers(predict, at(share), which).cpu().double() for share in (begin, end))
    return found, (found.sum(dim=1) - (last - first)).abs()


@torch.no_grad()
def _answers(predict: Predict, x: Tensor, which: Tensor) -> Tensor:
    """Of the predictions (B, K) those that are meant, (B,)."""
    return predict(x).gather(1, which[:, None])[:, 0]


def _gradient(predict: Predict, x: Tensor, which: Tensor) -> Tensor:
    """Of those with respect to x, (B, *shape). Raises UserError if there is none."""
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # whose recurrent layers have none in eval
        x = x.detach().requires_grad_()
        answers = predict(x).gather(1, which[:, None])
        gradient = torch.autograd.grad(answers.sum(), x, allow_unused=True)[0] if answers.requires_grad else None
    if gradient is None:
        raise UserError("explain=true: this net has no gradient with respect to its inputs.")
    return gradient
