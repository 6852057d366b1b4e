"""A net for tables: an ensemble of perceptrons that share their weights, over embedded columns.

B examples, N of the F features are numbers, K members.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.console.messages import UserError
from src.nets.activation import activation_class

EDGES, EMBEDDED = 2**14, 192  # of all numbers together: of many columns each gets fewer
CODES, VALUES = 8, 2**12  # what becomes of all numbers that stand for something, and how many values these may have
TINY = 1e-5
CONTINUOUS = ("number", "date")


class Tabular(nn.Module):
    """(B, *input_shape) -> (B, output_size), the mean over the members; in training (B, K, output_size).

    Features are scaled by their quartiles and clipped smoothly (RealMLP, Holzmueller et al. 2024). Each number gives
    beside itself what a layer of its own makes of where it lies between quantiles (piecewise-linear encoding,
    Gorishniy et al. 2022), and, if it stands for something, what that is like (see `Codes`); of a category, which is
    one 1 among 0s, the first layer's weights are the embedding, and none for what is none of the training rows'. The
    members differ in factors for each layer's inputs and outputs, and in their last layer (TabM, Gorishniy et al.
    2025).

    Args:
        columns: as `HasColumns` has them; None: all are numbers.
        members: K.
        hidden: sizes of the hidden layers.
        activation: the name of an activation in torch.nn.
        dropout: the share of hidden values that training sets to zero, in [0, 1].
        bins: between quantiles, of each number.
        embedding: values that become of each number; of more than 16 numbers fewer, but at least 2.

    Raises:
        UserError: no member, no hidden layer or one without units, a negative number of bins, an unknown activation.
    """

    numbers: Tensor  # their places among the features, (N,)
    center: Tensor  # (F,)
    spread: Tensor  # (F,)
    left: Tensor  # where each bin begins, (N, bins)
    slope: Tensor  # 1 / its width, (N, bins); 0 of an empty one

    def __init__(
        self,
        input_shape: tuple[int, ...],
        output_size: int,
        columns: list[dict[str, Any]] | None,
        members: int,
        hidden: list[int],
        activation: str,
        dropout: float,
        bins: int,
        embedding: int,
    ) -> None:
        if members < 1:
            raise UserError(f"members={members}: at least 1 is needed.")
        if min(hidden, default=0) < 1:
            raise UserError(f"hidden={hidden}: at least one layer is needed, of at least 1 unit.")
        if min(bins, embedding) < 0:
            raise UserError(f"bins={bins} and embedding={embedding}: at least 0; with 0 numbers are not embedded.")
        super().__init__()
        size = math.prod(input_shape)
        kinds = [kind for column in columns for kind in kinds_of_features(column)] if columns else ["number"] * size
        numbers = [place for place, kind in enumerate(kinds) if kind in CONTINUOUS]
        bins = min(bins, EDGES // max(1, len(numbers)))
        embedding = min(embedding, max(2, EMBEDDED // max(1, len(numbers))))
        self.embeds = bool(numbers) and min(bins, embedding) > 0
        edges = torch.linspace(-1, 1, bins + 1).expand(len(numbers), -1)
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.long))
        self.register_buffer("center", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("left", edges[:, :-1].clone())
        self.register_buffer("slope", 1 / edges.diff())
        if self.embeds:
            self.embedding = LinearOfEach(len(numbers), bins, embedding)
            size += len(numbers) * embedding
        counts = _code_counts(columns or [])
        self.codes = Codes(counts, CODES) if counts else None
        size += CODES if self.codes else 0
        act, layers = activation_class(activation), list[nn.Module]()
        for before, after in pairwise([size, *hidden]):
            layers += [SharedLinear(before, after, members, random_signs=not layers), act(), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = LinearOfEach(members, hidden[-1], output_size)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embedded(self.scaled(x.flatten(1)))  # (B, E)
        h = self.hidden(h.unsqueeze(1))  # (B, K, hidden)
        return self.head(h) if self.training else self.head.mean(h)

    def scaled(self, x: Tensor) -> Tensor:
        """x (B, F) with median 0 and half of its values in a range of 1; those far away come near 3, or -3."""
        return _scaled(x, self.center, self.spread)

    def embedded(self, z: Tensor) -> Tensor:
        """(B, F) -> (B, E): z, and the embeddings of its numbers."""
        parts = [z]
        if self.embeds:
            numbers = z if len(self.numbers) == z.shape[1] else z[:, self.numbers]
            passed = (numbers.unsqueeze(2) - self.left) * self.slope  # as shares of each bin, (B, N, bins)
            parts.append(F.relu(self.embedding(passed.clamp(0, 1))).flatten(1))
        if self.codes:
            parts.append(self.codes(z))
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def learn_inputs(self, x: Tensor) -> None:
        """Quartiles, quantiles, values of codes, from training examples (M, *input_shape) as the net reads them."""
        ordered = x.flatten(1).sort(dim=0).values

        def quantiles(count: int) -> Tensor:
            return ordered[torch.linspace(0, len(ordered) - 1, count + 1).round().long()]  # (count + 1, F)

        low, middle, high = quantiles(4)[1:4]
        half = (ordered[-1] - ordered[0]) / 2
        spread = torch.where(high > low, high - low, half)  # of a category most features are mostly 0
        self.center.copy_(middle)
        self.spread.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))
        if self.embeds:
            edges = self.scaled(quantiles(self.left.shape[1]))[:, self.numbers].T  # (N, bins + 1)
            self.left.copy_(edges[:, :-1])
            widths = edges.diff()
            tells = widths > TINY  # less is what rounding makes of equal values
            self.slope.copy_(torch.where(tells, 1 / widths, torch.zeros_like(widths)))
        if self.codes:
            places = list(self.codes.counts)
            self.codes.learn_inputs(_scaled(ordered[:, places], self.center[places], self.spread[places]))


def _scaled(x: Tensor, center: Tensor, spread: Tensor) -> Tensor:
    z = (x - center) / spread
    return z * torch.rsqrt(1 + z * z / 9)


def _code_counts(columns: list[dict[str, Any]]) -> dict[int, int]:
    """How many values the columns of codes have, by their places among the features."""
    starts = accumulate((column["features"] for column in columns), initial=0)
    counts = {place: column["codes"] for place, column in zip(starts, columns, strict=False) if column.get("codes")}
    return {place: count for place, count in counts.items() if count * len(counts) <= VALUES}


class Codes(nn.Module):
    """z (B, F) -> (B, size): of numbers that stand for something, such as shops, each of V values has its own weights.

    What lies between two values has weights between theirs, and what lies beyond the last one has those. At first all
    are 0: a value that is rare says little.

    Args:
        counts: how many values a number has at most, by its place among the features.
    """

    places: Tensor  # of the number that has the value, among the features, (V,)
    value: Tensor  # (V,)
    rise: Tensor  # 1 / what lies between it and the value before, (V,); 0 of the first
    fall: Tensor  # and the value behind; 0 of the last

    def __init__(self, counts: dict[int, int], size: int) -> None:
        super().__init__()
        self.counts = counts
        places = [place for place, count in counts.items() for _ in range(count)]
        self.register_buffer("places", torch.tensor(places))
        for name in ("value", "rise", "fall"):
            self.register_buffer(name, torch.zeros(len(places)))
        self.weights = nn.Linear(len(places), size, bias=False)
        nn.init.zeros_(self.weights.weight)

    def forward(self, z: Tensor) -> Tensor:
        above = z[:, self.places] - self.value  # (B, V)
        return self.weights(F.relu(1 - F.relu(above * self.fall) - F.relu(-above * self.rise)))

    def learn_inputs(self, z: Tensor) -> None:
        """The values of each of the numbers, from sorted ones (M, numbers)."""
        values, slopes = list[Tensor](), list[Tensor]()
        for column, count in zip(z.T, self.counts.values(), strict=True):
            found = column[F.pad(column.diff() > TINY, (1, 0), value=True)]
            if len(found) > count:
                found = found[torch.linspace(0, len(found) - 1, count).round().long()]
            more = torch.arange(1, count - len(found) + 1, device=z.device)  # out of reach
            values.append(torch.cat([found, found[-1] + 1e6 * more]))
            slopes.append(1 / values[-1].diff())
        self.value.copy_(torch.cat(values))
        self.rise.copy_(torch.cat([F.pad(slope, (1, 0)) for slope in slopes]))
        self.fall.copy_(torch.cat([F.pad(slope, (0, 1)) for slope in slopes]))


def kinds_of_features(column: dict[str, Any]) -> list[str]:
    """That of each feature. An indicator is boolean: it needs no embedding, as the number beside it does."""
    kinds = [column["kind"]] * column["features"]
    return [*kinds[:1], "boolean", *kinds[2:]] if column.get("indicator") else kinds


class SharedLinear(nn.Module):
    """(B, 1 or K, size) -> (B, K, next_size): one layer for K members, each with its own factors (BatchEnsemble, Wen
    et al. 2020).

    Args:
        random_signs: the members begin with different factors for the inputs, 1 or -1; else with 1.
    """

    def __init__(self, size: int, next_size: int, members: int, random_signs: bool) -> None:
        super().__init__()
        self.shared = nn.Linear(size, next_size, bias=False)
        signs = torch.randint(0, 2, (members, size)) * 2.0 - 1 if random_signs else torch.ones(members, size)
        self.inward = nn.Parameter(signs)
        self.outward = nn.Parameter(torch.ones(members, next_size))
        self.bias = nn.Parameter(torch.empty(members, next_size).uniform_(-1, 1) / math.sqrt(size))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.bias, self.shared(x * self.inward), self.outward)


class LinearOfEach(nn.Module):
    """(B, N, size) -> (B, N, next_size): a layer of its own for each of N."""

    def __init__(self, count: int, size: int, next_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, size, next_size).uniform_(-1, 1) / math.sqrt(size))
        self.bias = nn.Parameter(torch.zeros(count, next_size))

    def forward(self, x: Tensor) -> Tensor:
        outputs = torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight)  # (N, B, next_size)
        return outputs.transpose(0, 1)

    def mean(self, x: Tensor) -> Tensor:
        """That of the N layers' outputs, (B, next_size): one product of matrices."""
        return torch.addmm(self.bias.mean(dim=0), x.flatten(1), self.weight.flatten(0, 1) / len(self.weight))
