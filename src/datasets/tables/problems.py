"""What is wrong with the columns of a table: all of it is told at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from src.console.messages import UserError
from src.datasets.tables.typed import dropping

MOST_TOLD = 20  # problems, and notices


class Problems:
    """
    Attributes:
        of: what is wrong, by column.
    """

    def __init__(self) -> None:
        self.of: dict[str, str] = {}

    @contextmanager
    def noting(self, name: str, where: str = "") -> Iterator[None]:
        """Inside it a UserError is a problem of this column, the first if it has several."""
        try:
            yield
        except UserError as error:
            self.of.setdefault(name, f"{where}{error}")

    def told(self, features: Sequence[str], drop: Sequence[str]) -> str:
        """A line for each, and what to type to leave out those of `features` that have one, beside `drop`."""
        lines, names = list(dict.fromkeys(self.of.values())), [name for name in features if name in self.of]
        if len(lines) < len(self.of):  # all columns say the same of a second header, which is no reason to go
            names = []
        if len(lines) > MOST_TOLD:
            lines[MOST_TOLD:] = [f"... and {len(lines) - MOST_TOLD} more columns."]
        if len(names) > 1 or (names and drop):
            these = "these columns" if len(names) > 1 else "it"
            lines.append(f"To leave {these} out: {dropping([*drop, *names])}.")
        return "\n".join(lines)
