"""Which columns matter: how much larger the loss becomes when the values of one are dealt out anew among the examples.

N examples, J columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from src.console.screen import progress

EXAMPLES = 60_000  # predicted in all, and at least FEWEST of each column
FEWEST, MOST = 200, 1000
COLUMNS = 30  # that are measured, of those that the loss is most sensitive to
SHUFFLES, GROUPS = 3, 10
STUDENT = 2.26  # of 10 groups: 95 % of Student's distribution with 9 degrees of freedom


def permutation_importances(
    loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, columns: list[dict[str, Any]]
) -> dict[str, tuple[float, float]]:
    """Column -> by how much the mean loss rises, and the half width of its 95 % interval (Breiman 2001).

    The interval is that of the mean over groups of examples (batch means).

    Args:
        loss: of x (B, F) and y (B, ...), the mean.
        columns: `name` of each, and how many `features` of x it makes, in the order of x.
    """
    ends = torch.tensor([column["features"] for column in columns]).cumsum(0).tolist()
    places = {c["name"]: slice(end - c["features"], end) for c, end in zip(columns, ends, strict=True)}
    if len(places) > COLUMNS:
        places = _most_sensitive(loss, x[:FEWEST], y[:FEWEST], places)
    size = min(len(x), MOST, max(FEWEST, EXAMPLES // (SHUFFLES * len(places))))
    x, y = x[:size], y[:size]
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(size).chunk(min(GROUPS, size))
    usual = _losses(loss, x, y, groups)
    found = {}
    with progress("importance of columns", total=len(places)) as done:
        for count, (name, place) in enumerate(places.items(), start=1):
            rises = []
            for _ in range(SHUFFLES):
                shuffled = x.clone()
                shuffled[:, place] = x[torch.randperm(size, generator=generator).to(x.device), place]
                rises.append(_losses(loss, shuffled, y, groups) - usual)
            rise = torch.stack(rises).mean(dim=0)  # (GROUPS,)
            error = rise.std().item() / math.sqrt(len(rise)) if len(rise) > 1 else 0.0
            found[name] = (rise.mean().item(), STUDENT * error)
            done(count)
    return found


def _losses(loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, groups: tuple[Tensor, ...]) -> Tensor:
    with torch.no_grad():
        return torch.stack([loss(x[rows], y[rows]).double().cpu() for rows in groups])


def _most_sensitive(
    loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, places: dict[str, slice]
) -> dict[str, slice]:
    """The columns along whose values the loss changes most, to first order."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        [slopes] = torch.autograd.grad(loss(x, y.clone()), x)
        changes = (slopes * (x.detach() - x.detach().mean(dim=0))).abs().sum(dim=0)
    order = sorted(places, key=lambda name: -changes[places[name]].sum().item())
    return {name: places[name] for name in order[:COLUMNS]}
