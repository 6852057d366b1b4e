"""A share of very many examples that is enough for quantiles."""

from __future__ import annotations

import torch
from torch import Tensor

EXAMPLES, VALUES = 2**16, 2**24


class Subsample:
    """Every n-th of `count` examples: at most 65 536 of them, and 16 million values."""

    def __init__(self, count: int) -> None:
        self.count, self.seen, self.taken = count, 0, torch.empty(0)

    def add(self, x: Tensor) -> None:
        """Take in the next batch (B, ...)."""
        most = min(EXAMPLES, max(1, VALUES // x[0].numel()))
        every = -(-self.count // most)
        if not self.seen:  # room for all: thousands of small parts would leave gaps in the process' memory
            self.taken = x.new_empty(-(-self.count // every), *x.shape[1:])
        begin, self.seen = self.seen, self.seen + len(x)
        self.taken[-(-begin // every) : -(-self.seen // every)] = x[-begin % every :: every]

    def all(self) -> Tensor:
        """Those taken, (M, ...)."""
        return self.taken
