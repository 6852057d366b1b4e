"""results.json: how a run ended, its scores, and what they were made with."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra

from src.config.compose import PROJECT
from src.files.atomic import write_text


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write `results` with git's commit and the versions; a score that is not finite becomes null."""
    import lightning
    import torch

    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in results.items()}
    made_with = {
        "git": git_state(),
        "versions": {
            "python": sys.version.split()[0],
            "torch": torch.__version__,
            "lightning": lightning.__version__,
            "hydra": hydra.__version__,
        },
    }
    write_text(path, json.dumps(finite | made_with, indent=2) + "\n")


def print_scores(scores: Mapping[str, float | None]) -> None:
    """One line a score."""
    for name, value in scores.items():
        print(f"{name:<16}{'not known' if value is None else f'{value:.4f}'}")


def git_state() -> dict[str, Any]:
    """The project's commit, and whether files differ from it; None where there is no git."""

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(PROJECT), *args], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    changes = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}
