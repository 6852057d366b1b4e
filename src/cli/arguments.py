"""What was typed, as far as we need it ourselves; Hydra reads it too."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hydra._internal.utils import get_args_parser

from src.config.compose import CONF
from src.console.messages import UserError


def typed() -> tuple[argparse.Namespace, list[str]]:
    """The flags `help` and `config_dir`; and all other words."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    return parser.parse_known_args()


def refuse_flags() -> None:
    """Raise UserError for a setting that was typed with dashes."""
    words = sys.argv[1:]
    for flag in get_args_parser().parse_known_args(words)[1]:
        if flag.startswith("-"):
            name, _, value = flag.lstrip("-").partition("=")
            value = value or next((word for word in words[words.index(flag) + 1 :] if "=" not in word), "...")
            raise UserError(f"{flag}: a setting is KEY=VALUE without dashes: {name}={value}.")


def groups() -> dict[str, list[str]]:
    """The groups in conf/, and in the folder that --config-dir adds to it, with their choices; both in order."""
    folders = [CONF, *map(Path, filter(None, [typed()[0].config_dir]))]
    files = sorted({(file.parent.name, file.stem) for folder in folders for file in folder.glob("*/*.yaml")})
    return {group: [choice for of, choice in files if of == group] for group, _ in files}
