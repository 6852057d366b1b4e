"""What was typed, as far as we need it ourselves; Hydra reads it too."""

from __future__ import annotations

import argparse
from pathlib import Path

from src.config.compose import CONF


def typed() -> tuple[argparse.Namespace, list[str]]:
    """The flags `help` and `config_dir`; and all other words."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    return parser.parse_known_args()


def groups() -> dict[str, list[str]]:
    """The groups in conf/, and in the folder that --config-dir adds to it, with their choices; both in order."""
    folders = [CONF, *map(Path, filter(None, [typed()[0].config_dir]))]
    files = sorted({(file.parent.name, file.stem) for folder in folders for file in folder.glob("*/*.yaml")})
    return {group: [choice for of, choice in files if of == group] for group, _ in files}
