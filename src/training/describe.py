"""data.describe=true: the data as they were understood, and nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.config.build import build
from src.config.check import check
from src.config.trust import trusted
from src.console import startup
from src.console.messages import UserError
from src.console.screen import in_sweep
from src.files.atomic import written_whole
from src.run import Run
from src.run.config import shortest
from src.training.claim import Claim

WIDTH = 240  # of the table where no terminal says its own
MANY = 1000  # lines: to lay out so many takes longer than to read them


def show_data(cfg: DictConfig) -> None:
    """Print the columns of a table as they were understood, and draw those that tell most; leaves no run behind.

    Raises:
        UserError: what is wrong with the config, or with the table; a sweep.
    """
    from src.callbacks.summary import otherwise

    run = Run(HydraConfig.get().runtime.output_dir)
    try:
        if in_sweep():
            raise UserError("data.describe=true: it says nothing of a sweep. Leave out -m.")
        check(cfg)
        with trusted():
            data = build(cfg.data, "data")
            data.setup("fit")
        startup.end()
        _print(data.dataset.overview())
        if other := otherwise(data):
            print(f"{data.dataset.target}: {len(data.dataset.classes)} classes{other}")
        _draw(data, run.folder.parent / "data.png")
    finally:
        Claim(run, cfg).remove_if_empty()


def _draw(data: Any, path: Path) -> None:
    from src.plots.sheet import save
    from src.plots.table_columns import draw_columns

    with written_whole(path) as partial:
        save(draw_columns(data), partial)
    print(f"{shortest(path)} shows what they tell about {data.dataset.target}.")


def _print(lines: list[list[str]]) -> None:
    if len(lines) > MANY:
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        print("\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines))
        return

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console: Any = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    table = Table(*lines[0], box=box.SIMPLE)
    for line in lines[1:]:
        table.add_row(*map(Text, line))
    with console.capture() as capture:
        console.print(table)
    print(capture.get(), end="")
