"""Where a run that is only timed leaves nothing, and disturbs nobody."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory


class _Terminal(io.TextIOBase):
    """One that nobody looks at: progress bars are drawn, and take their time, as for a user."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


@contextmanager
def out_of_sight() -> Iterator[Path]:
    """Inside it what is printed is not seen; it gives the run's folder, which is gone afterwards."""
    with TemporaryDirectory(prefix="benchmark_") as parent:
        folder = Path(parent) / "run"
        folder.mkdir()
        with redirect_stdout(_Terminal()), redirect_stderr(_Terminal()):
            yield folder
