"""A table in a sheet of an Excel file."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from src.console.extras import need
from src.console.messages import UserError, first_line, listed, nearest
from src.console.screen import notice
from src.datasets.tables.files.file import HeldTable, check_header
from src.datasets.tables.files.sniffing import rows_above
from src.datasets.tables.text_format import TextFormat
from src.datasets.tables.typed import naming

FIRST = 100  # rows, of which one may hold the names


class ExcelFile(HeldTable):
    """
    Args:
        hints: the sheet was said for this file; else for that of a finished run, which is to answer this one.

    Raises:
        UserError: no Excel, no such sheet, or nothing in it.
    """

    def __init__(self, path: Path, name: str, as_typed: str, text: TextFormat, hints: bool) -> None:
        super().__init__(path, name, as_typed, text)
        self.hints = hints
        need(as_typed, "openpyxl", "excel")
        self.frame = self._read()
        self.columns = list(self.frame.columns)

    def _read(self) -> pd.DataFrame:
        try:
            with pd.ExcelFile(self.path, engine="openpyxl") as file:
                sheet = self._sheet([str(sheet) for sheet in file.sheet_names])
                options: Any = {"keep_default_na": False, "dtype": object}
                cells = pd.read_excel(file, sheet_name=sheet, header=None, na_values=self.text.markers, **options)
        except UserError:
            raise
        except (ValueError, KeyError, BadZipFile, OSError) as error:
            raise UserError(f"{self.as_typed} cannot be read as Excel: {first_line(error)}.") from error
        said = self.text.header
        beginning = cells.head(max(FIRST, said or 0)).map(lambda cell: "" if pd.isna(cell) else str(cell))
        self.beginning = beginning.to_numpy().tolist()
        above = said - 1 if said else rows_above(self.beginning) if self.beginning else 0
        if len(cells) <= above:
            raise UserError(f"{self.as_typed} {f'has no row {above + 1}' if above else 'is empty'}.")
        if above and not said:
            notice(f"{self.name}: header={above + 1}, by its looks.")
        frame = cells.iloc[above + 1 :].reset_index(drop=True)
        frame.columns = check_header(self.beginning[above], self.as_typed)
        return frame.infer_objects()

    def line_of(self, name: str) -> int | None:
        return next((row + 1 for row, fields in enumerate(self.beginning) if name in fields), None)

    def _sheet(self, sheets: list[str]) -> str:
        """Which of them is read."""
        said = self.text.sheet
        if said in sheets:
            return said
        if said is not None and (self.hints or len(sheets) > 1):
            raise UserError(f"sheet={said}: {self.name} has the sheets {listed(sheets)}.{nearest(said, sheets)}")
        if len(sheets) > 1:
            other = naming("sheet", sheets[1])
            notice(f"{self.name}: of its sheets {listed(sheets)} the first is read. To read another: {other}.")
        return sheets[0]
