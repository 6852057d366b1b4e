"""A room of src/ can be deleted with its YAML, and the rest still works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.conftest import PROJECT

ROOMS = {
    "src.plots": ["src/plots"],
    "src.by_hand": ["src/by_hand"],
    "src.datasets.images": ["src/datasets/images"],
    "src.export": ["src/export.py", "src/formats/nets.py"],
}


def without(room: str, project: Path) -> None:
    """Delete a room, the choices of conf/ that name it, and what conf/train.yaml has of it."""
    for place in ROOMS[room]:
        shutil.rmtree(project / place) if (project / place).is_dir() else (project / place).unlink()
    for choice in (project / "conf").glob("*/*.yaml"):
        if room in choice.read_text():
            choice.unlink()
    wiring = OmegaConf.load(project / "conf/train.yaml")
    for name, callback in list(wiring.callbacks.items()):
        if callback and callback["_target_"].startswith(f"{room}."):
            del wiring.callbacks[name]
    OmegaConf.save(wiring, project / "conf/train.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_the_rest_works_without(room, folder):
    for place in ("src", "conf"):
        shutil.copytree(PROJECT / place, folder / place, ignore=shutil.ignore_patterns("__pycache__"))
    without(room, folder)
    for command in (
        ["src.train", "data=digits", "trainer.max_epochs=1", "name=rest"],
        ["src.evaluate", "outputs/rest", "--resamples", "100"],
        ["src.predict", "outputs/rest", "src/datasets/shipped/digits.csv.gz", "-o", "p.csv"],
    ):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr
