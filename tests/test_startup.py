"""A command imports what it uses, when it uses it, and Python's search for garbage waits until it has started."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from src.cli.command import command
from src.console import startup
from src.console.messages import UserError
from tests.conftest import PROJECT

# Dear modules, which Lightning does not import. Tells of them, in a process of its own, when a training begins or ends.
DEAR = (
    "pandas",
    "pyarrow",
    "matplotlib.backends.backend_agg",
    "sklearn",
    "onnx",
    "torchview",
    "torchvision",
    "IPython",
    "optuna",
    "sqlalchemy",
)
BEGIN = f"""
import gc, json, sys
def tell(when):
    there = [m for m in {DEAR} if m in sys.modules]
    print("TOLD", json.dumps([when, dict(dear=there, searches=gc.isenabled(), frozen=gc.get_freeze_count())]))
"""
AT_FIT = """
from lightning.pytorch.loops.fit_loop import _FitLoop
run_loop = _FitLoop.run
_FitLoop.run = lambda self: (tell("fit begins"), run_loop(self))
"""


def told(code: str, *arguments: str) -> dict[str, dict[str, Any]]:
    """What the process has told: when -> what."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line.removeprefix("TOLD ")) for line in done.stdout.splitlines() if line.startswith("TOLD "))


def test_dear_modules_are_imported_by_what_uses_them():
    random = np.random.default_rng(0)
    np.savez("some.npz", x=random.normal(size=(40, 3)).astype("float32"), y=np.arange(40) % 2)
    seen = told(
        AT_FIT
        + """
import src.datasets.images
from src.evaluate import evaluate
from src.export import export
from src.train import train
run = train("data=arrays", "data.path=some.npz", "net.hidden=[8]", "trainer.max_epochs=1", "callbacks.confusion=null",
            "callbacks.learning_curve=null")
evaluate(run, None, [])
export(run, "safetensors")
tell("without a picture")
train("data=parabola", "net.hidden=[8]", "trainer.max_epochs=1")
tell("with pictures, without a table")
"""
    )
    assert seen["fit begins"]["dear"] == []
    assert seen["without a picture"]["dear"] == []
    assert seen["with pictures, without a table"]["dear"] == ["matplotlib.backends.backend_agg"]
    assert seen["fit begins"]["searches"]  # it is no command: all is as Python has it
    assert seen["fit begins"]["frozen"] == 0


def test_a_command_leaves_what_it_imports_out_of_the_search_for_garbage():
    code = """
from src.console import startup
from src.train import main
end = startup.end
def told_end():
    startup.end = end
    tell("imported")
    end()
    tell("fit begins")
startup.end = told_end
main()
"""
    seen = told(code, "data=wine", "net.hidden=[8]", "trainer.max_epochs=1")
    assert not seen["imported"]["searches"]
    assert set(seen["imported"]["dear"]) <= {"pandas", "pyarrow"}  # of the table
    assert seen["fit begins"]["searches"]
    assert seen["fit begins"]["frozen"] > 100_000


def test_a_grid_needs_no_optuna():
    seen = told("from src.train import main\nmain()\ntell('')", "-m", "data=wine", "trainer.max_epochs=1", "name=s")
    assert not {"optuna", "sqlalchemy"} & set(seen[""]["dear"])


def test_every_verb_says_when_it_has_started(finished, call, monkeypatch):
    finished("data=wine", "net.hidden=[8]", "trainer.max_epochs=1", "name=w")
    ends: list[str] = []
    monkeypatch.setattr(startup, "end", lambda: ends.append(""))
    table = str(PROJECT / "src/datasets/shipped/wine.csv.gz")
    for words in (
        ("evaluate", "outputs/w"),
        ("predict", "outputs/w", table, "-o", "predictions.csv"),
        ("export", "outputs/w", "format=safetensors"),
        ("train", "data=wine", "net.hidden=[8]", "trainer.max_epochs=1"),
        ("report", "outputs"),
    ):
        ends.clear()
        assert call(*words) == 0
        assert len(ends) == 2, f"{words[0]}: once when it has, and once when the command ends"


@pytest.mark.quick
def test_a_command_that_fails_leaves_python_as_it_was(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(gc, "freeze", lambda: None)

    @command()
    def fails() -> None:
        assert not gc.isenabled()
        raise UserError("no")

    with pytest.raises(SystemExit):
        fails()
    assert gc.isenabled()


@pytest.mark.quick
@pytest.mark.parametrize("verb", ["evaluate", "predict", "export", "repeat", "report"])
def test_torch_is_not_imported_to_say_what_a_command_takes(verb):
    code = f"import src.{verb}, sys\nprint('TOLD', json.dumps(['', dict(torch='torch' in sys.modules)]))"
    assert told(code) == {"": {"torch": False}}
