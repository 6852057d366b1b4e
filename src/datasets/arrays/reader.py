"""New arrays for a finished run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

from src.console.messages import UserError
from src.datasets.arrays.files import open_arrays
from src.datasets.arrays.inputs import as_batch, check_kind, check_rows

if TYPE_CHECKING:
    import pandas as pd


class ArrayReader:
    """Reads x of new examples; y may be there too.

    Args:
        shape: of one example.
        indices: they are whole numbers for an embedding.
    """

    def __init__(self, shape: list[int], indices: bool) -> None:
        self.shape, self.indices = list(shape), indices

    def read(self, path: str, batch_size: int, num_workers: int | None) -> Iterator[tuple[pd.DataFrame, Tensor, float]]:
        """Batches: the numbers of the rows from 0, x (B, *shape), and the share that has been read so far.

        Raises:
            UserError: no such file or array, examples of another shape, or values that are none.
        """
        import pandas as pd  # dear, and not needed to train

        x = open_arrays(path, ["x"], path)["x"]
        shape = list(x.shape[1:])
        if shape != self.shape and not (len(x.shape) == 1 and self.shape == [1]):
            single = " For a single one, save x[None]." if list(x.shape) == self.shape else ""
            raise UserError(f"{path}: its examples have shape {shape}, those of the run {self.shape}.{single}")
        check_kind(x, self.indices, path)
        for start in range(0, x.shape[0], batch_size):
            rows = x[start : start + batch_size]
            check_rows(rows, self.indices, start, path)
            numbers = pd.DataFrame({"row": range(start, start + len(rows))})
            batch = as_batch(rows, self.indices).reshape(-1, *self.shape)
            yield numbers, batch, (start + len(rows)) / x.shape[0]
