"""The command line answers at once, teaches, and does what README says."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import src.nets
from src.config.compose import CONF, PROJECT

README = (Path(__file__).parent.parent / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [c for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for c in block.strip().splitlines()]


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["optimizer.lrr=1"], ["net=mpl"]], ids=str)
def test_torch_is_not_imported_to_answer(arguments, folder):
    code = (
        "import sys; from src.train import main\n"
        "try: main()\nfinally: print('IMPORTED', [m for m in ('torch', 'lightning', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert "IMPORTED []" in done.stdout
    assert not Path("outputs").exists()


@pytest.mark.quick
def test_help_teaches(call, capsys):
    assert call("train", "--help") == 0
    out = capsys.readouterr().out
    assert out.count("python -m src.train") >= 5
    for group in ("data", "net", "trainer"):
        choices = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        assert f"{group}: {choices}" in " ".join(out.split())
    assert "python -m src.evaluate" in out


@pytest.mark.parametrize("verb", ["evaluate", "export", "repeat"])
def test_no_more_is_asked_for_than_is_needed(call, capsys, verb):
    assert call(verb) == 2
    assert capsys.readouterr().err.endswith("error: the following arguments are required: run\n")


def test_help_can_be_piped_into_head(folder):
    command = f"{shlex.quote(sys.executable)} -m src.train --help | head -n 1"
    env = {"PYTHONPATH": str(Path(__file__).parent.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=env)
    assert done.stdout == "Kindling: train a model, one command.\n"
    assert done.stderr == ""


def test_a_run_whose_screen_is_gone_ends_without_a_word_and_goes_on_later(call, finished, capsys, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        assert call("train", "data=wine", "net.hidden=[8]", "trainer.max_epochs=1", "name=piped") == 141
        assert not capsys.readouterr().err
    assert finished("data=wine", "net.hidden=[8]", "trainer.max_epochs=1", "name=piped")["status"] == "finished"


def test_the_first_screen_of_the_readme_has_two_commands():
    assert [c for c in COMMANDS if c.startswith("pip")] == COMMANDS[:2]
    assert README.index(COMMANDS[1]) < 700


@pytest.fixture
def readme_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands build on one another, as for a reader, who has some files."""
    folder = tmp_path_factory.mktemp("readme")
    random = np.random.default_rng(0)
    for name in ("house.csv", "new.csv", "sold.csv"):
        rooms, city = random.integers(1, 8, 200), random.choice(["Bergen", "Oslo"], 200)
        price = 100_000.5 * rooms + 50_000 * (city == "Oslo") + random.normal(0, 9000, 200)
        table = pd.DataFrame({"rooms": rooms, "city": city, "price": price})
        table.drop(columns="price" if name == "new.csv" else []).to_csv(folder / name, index=False)
    for name in ("tags.csv", "new_tags.csv"):
        wind, sun = random.normal(size=(2, 200))
        table = pd.DataFrame(
            {"wind_speed": wind, "sunshine": sun, "rain": sun < 0, "wind": wind > 0.5, "snow": sun < -1}
        )
        table.astype({"rain": int, "wind": int, "snow": int}).to_csv(folder / name, index=False)
    (folder / "examples").symlink_to(PROJECT / "examples")
    for place in ("photos/dark", "photos/light", "unsorted"):
        (folder / place).mkdir(parents=True)
        for i in range(12):
            brightness = random.integers(0, 120, (40, 50, 3)) + 120 * (place == "photos/light")
            Image.fromarray(brightness.astype("uint8")).save(folder / place / f"{i}.png")
    (folder / "my_data.py").write_text(next(code for code in PYTHON if "class Circles" in code))
    return folder


@pytest.mark.slow
def test_the_commands_of_the_readme_run_as_written(call, readme_folder, monkeypatch, capsys):
    monkeypatch.chdir(readme_folder)
    monkeypatch.syspath_prepend(readme_folder)  # as `python -m` does
    for command in (command for command in COMMANDS if not command.startswith("pip")):
        words = shlex.split(command)
        assert words[:2] == ["python", "-m"]
        capsys.readouterr()
        assert call(words[2].removeprefix("src."), *words[3:]) == 0, f"{command}: {capsys.readouterr().err}"


def test_the_readmes_python_runs_as_written(train, call, capsys):
    train("name=my_run", "trainer.max_epochs=1")
    for name in ("pt2", "state_dict"):
        assert call("export", "outputs/my_run", f"format={name}") == 0
    names: dict[str, Any] = {}
    for code in (code for code in PYTHON if "onnxruntime" not in code):  # tests/test_export.py reads a table with it
        exec(code, names)
    assert names["probabilities"].shape == names["whole"](names["x"]).shape == (5, 10)


def test_the_readmes_own_data_and_own_net_train_from_the_files_that_it_shows(train, folder, monkeypatch):
    """As they are copied from it, where it says."""
    files = {"my_data.py": "class Circles", "nets/wide.py": "class Wide"}
    files |= {"conf/data/circles.yaml": "my_data.circles", "conf/net/wide.yaml": "nets.wide"}
    shown = PYTHON + re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(next(text for text in shown if content in text))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr("src.nets.__path__", [*src.nets.__path__, str(folder / "nets")])
    results = train("--config-dir", "conf", "data=circles", "net=wide", "net.width=16", "trainer.max_epochs=1")
    assert results["status"] == "finished"


def test_the_readmes_tree_is_the_real_one():
    tree = README.split("## Where everything lives")[1].split("```")[1]
    root = Path(__file__).parent.parent
    for path in (root / "src").iterdir():
        if path.name not in ("__init__.py", "__pycache__"):
            assert path.name in tree
    for path in (root / "conf").iterdir():
        assert path.name in tree
    for room in (root / "src").glob("*/__init__.py"):
        assert str(ast.get_docstring(ast.parse(room.read_text()))).partition("\n")[0] in tree


def test_evaluate_gives_the_runs_own_scores(finished, call, capsys):
    results = finished("data=breast_cancer", "name=b", "trainer.max_epochs=3")
    for split in ("test", "val"):
        capsys.readouterr()
        assert call("evaluate", "outputs/b", "--split", split) == 0
        said = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
        assert said == {k: f"{v:.4f}" for k, v in results.items() if k.startswith(f"{split}/")}


def test_evaluate_does_so_with_other_batches_and_from_anywhere(finished, call, capsys, tmp_path_factory, monkeypatch):
    results = finished("data=breast_cancer", "name=b", "trainer.max_epochs=3")
    run = Path("outputs/b").resolve()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    capsys.readouterr()
    assert call("evaluate", str(run), "data.batch_size=7", "trainer=cpu") == 0
    said = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert said["test/loss"] == f"{results['test/loss']:.4f}"
    assert list(Path.cwd().iterdir()) == []


def test_evaluate_on_other_data_keeps_the_split_of_the_run(train, call, capsys):
    results = train("data=wine", "data.split_seed=3", "data.fractions=[0.5,0.2,0.3]", "name=w", "trainer.max_epochs=3")
    capsys.readouterr()
    assert call("evaluate", "outputs/w", "data=wine") == 0
    said = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    assert said == {k: f"{v:.4f}" for k, v in results.items() if k.startswith("test/")}
