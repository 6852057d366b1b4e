"""A path or an address -> the table there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from src.console.messages import UserError
from src.datasets.tables.files.csv_file import CsvFile
from src.datasets.tables.files.excel_file import ExcelFile
from src.datasets.tables.files.file import TableFile
from src.datasets.tables.files.parquet_file import ParquetFile
from src.datasets.tables.files.sql_table import SqlTable
from src.datasets.tables.text_format import TextFormat
from src.files.cache import cache_folder
from src.files.download import download
from src.files.home import expanded

OPTIONS = {
    "separator": ((CsvFile,), "a text file"),
    "encoding": ((CsvFile,), "a text file"),
    "header": ((CsvFile, ExcelFile), "a text or Excel file"),
    "sheet": ((ExcelFile,), "an Excel file"),
    "query": ((SqlTable,), "a database"),
}
"""What says something of some kinds of files alone."""


def open_table(
    path: str, text: TextFormat, key: str | None = None, cache: str | None = None, query: str | None = None
) -> TableFile:
    """Find out what a file is, and read its columns.

    Args:
        path: of the file, or the http(s) address from which it is downloaded, once, to `cache`; or the address of a
            database.
        text: how it is written, if it is a text file.
        key: the parameter that `path` was given for; None for a file that a finished run is to answer.
        query: of a database.

    Raises:
        UserError: no such file, or no table in it.
    """
    as_typed = f"{key}={path}" if key else path
    if not path:
        raise UserError(f"{as_typed or repr(path)} names no file. Is it a variable of the shell that is not set?")
    address = urlparse(path)
    is_address = address.scheme in ("http", "https")
    if "://" in path and not is_address:
        return SqlTable(path, text, key, query)
    name = Path(address.path if is_address else path).name
    file = download(path, cache_folder(cache) / "downloads") if is_address else expanded(path)
    if not file.is_file():
        folder = f" but a folder. Name a file in it: {as_typed}/..." if file.is_dir() else "."
        raise UserError(f"{as_typed} is not a file{folder}")
    if name.lower().removesuffix(".gz").endswith((".parquet", ".pq")):
        return ParquetFile(file, name, as_typed, text)
    if name.lower().endswith((".xlsx", ".xlsm")):
        return ExcelFile(file, name, as_typed, text, hints=key is not None)
    if name.lower().endswith(".xls"):
        raise UserError(f"{as_typed} is of an Excel before 2007. Save it as .xlsx.")
    return CsvFile(file, name, as_typed, text, hints=key is not None)


def check_options(tables: Sequence[TableFile], **options: str | int | None) -> None:
    """See that each of these `OPTIONS` says something of one of the tables.

    Raises:
        UserError: one does not.
    """
    for name, value in options.items():
        kinds, called = OPTIONS[name]
        if value is not None and not any(isinstance(table, kinds) for table in tables):
            raise UserError(f"{name}={value} is for {called}, and {tables[0].as_typed} is none.")
