"""The rows that a query finds in an SQL database."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from src.console.extras import need
from src.console.messages import UserError, first_line, listed
from src.console.quotes import for_shell
from src.datasets.tables.files.file import HeldTable, check_header
from src.datasets.tables.text_format import TextFormat

READS = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)


class SqlTable(HeldTable):
    """
    Args:
        address: such as sqlite:///x.db, or any other of SQLAlchemy.
        key: the parameter that it was given for; None for a database that a finished run is to answer.
        query: such as select * from houses.

    Raises:
        UserError: no such database, or nothing that the query finds.
    """

    def __init__(self, address: str, text: TextFormat, key: str | None, query: str | None) -> None:
        need(f"{address.partition(':')[0]}:", "sqlalchemy", "sql")
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            self.url = make_url(address)
        except ArgumentError as error:
            raise UserError(f"{key or 'path'}={address} is no address of a database: {first_line(error)}.") from error
        shown = self.url.render_as_string(hide_password=True)
        name = Path(self.url.database or shown).name
        super().__init__(Path(self.url.database or ""), name, f"{key}={shown}" if key else shown, text)
        if self.url.get_backend_name() == "sqlite" and not self.path.is_file():  # it would be made
            raise UserError(f"{self.as_typed}: {self.path} is not a file.")
        self.frame = self._read(query)
        self.columns = list(self.frame.columns)

    def _read(self, query: str | None) -> pd.DataFrame:
        from sqlalchemy import create_engine
        from sqlalchemy import text as statement
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with create_engine(self.url).connect() as connection:  # nothing is ever committed
                if query is None or not READS.match(query):
                    self._refuse(connection, query)
                frame: Any = pd.read_sql_query(statement(query), connection)
        except (SQLAlchemyError, pd.errors.DatabaseError, ImportError) as error:
            cause = error.__cause__ if isinstance(error, pd.errors.DatabaseError) and error.__cause__ else error
            reason = first_line(getattr(cause, "orig", None) or cause)
            raise UserError(f"{self.as_typed}, query={query}: {reason}.") from error
        frame.columns = check_header([str(name) for name in frame.columns], self.as_typed)
        return frame

    def _refuse(self, connection: Any, query: str | None) -> NoReturn:
        from sqlalchemy import inspect

        found = inspect(connection)
        tables = [*found.get_table_names(), *found.get_view_names()]
        has = f"it has the tables {listed(tables)}" if tables else "it has no tables"
        says = f"query={query} does not begin with select" if query else has
        table = connection.dialect.identifier_preparer.quote(tables[0] if tables else "houses")
        typed = for_shell(f"query=select * from {table}")
        raise UserError(f"{self.as_typed} is a database: {says}. Say which rows, as in {typed}.")
