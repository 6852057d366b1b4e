"""Tables in files: a Dataset to learn from, and new rows for a finished run."""

from src.datasets.tables.read import read_table as read_table
from src.datasets.tables.reader import TableReader as TableReader
