"""A table in an Excel file: the first sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd

from src.console.extras import need
from src.console.messages import UserError, first_line, listed
from src.console.screen import notice
from src.datasets.tables.file import HeldTable, check_header
from src.datasets.tables.text_format import TextFormat


class ExcelFile(HeldTable):
    """
    Raises:
        UserError: no Excel, or nothing in its first sheet.
    """

    def __init__(self, path: Path, name: str, as_typed: str, text: TextFormat) -> None:
        super().__init__(path, name, as_typed, text)
        need(as_typed, "openpyxl", "excel")
        self.frame = self._read()
        self.columns = list(self.frame.columns)

    def _read(self) -> pd.DataFrame:
        try:
            with pd.ExcelFile(self.path, engine="openpyxl") as file:
                sheets = [str(sheet) for sheet in file.sheet_names]
                options: Any = {"keep_default_na": False, "dtype": object}
                cells = pd.read_excel(file, sheet_name=0, header=None, na_values=self.text.markers, **options)
        except (ValueError, KeyError, BadZipFile, OSError) as error:
            raise UserError(f"{self.as_typed} cannot be read as Excel: {first_line(error)}.") from error
        if len(sheets) > 1:
            notice(f"{self.name}: of its sheets {listed(sheets)} the first is read.")
        if not len(cells):
            raise UserError(f"{self.as_typed} is empty.")
        header = ["" if pd.isna(name) else str(name) for name in cells.iloc[0]]
        frame = cells.iloc[1:].reset_index(drop=True)
        frame.columns = check_header(header, self.as_typed)
        return frame.infer_objects()
