"""A table in a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from src.console.extras import need
from src.console.messages import UserError, first_line
from src.datasets.tables.files.file import Chunks, TableFile
from src.datasets.tables.text_format import TextFormat


class ParquetFile(TableFile):
    """
    Raises:
        UserError: no Parquet.
    """

    def __init__(self, path: Path, name: str, as_typed: str, text: TextFormat) -> None:
        super().__init__(path, name, as_typed, text)
        need(as_typed, "pyarrow", "parquet")
        # All but the index that pandas stores beside the columns.
        self.columns = [n for n in self._open().schema_arrow.names if not n.startswith("__index_level_")]

    def rows(self, count: int, texts: Iterable[str] | None = (), as_written: bool = False) -> Chunks:
        """Chunks of `count` rows; each column is of its own type."""
        file, read = self._open(), 0
        for batch in file.iter_batches(batch_size=count, columns=self.columns):
            read += len(batch)
            yield batch.to_pandas(ignore_metadata=True, date_as_object=False), read / file.metadata.num_rows

    def bytes(self) -> int:
        metadata = self._open().metadata
        return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))

    def bytes_per_row(self) -> float:
        return max(1, self.bytes()) / max(1, self._open().metadata.num_rows)

    def _open(self) -> Any:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile as File

        try:
            return File(self.path)
        except (ArrowException, OSError) as error:
            raise UserError(f"{self.as_typed} cannot be read as Parquet: {first_line(error)}.") from error
