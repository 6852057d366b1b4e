"""The worked examples in examples/ do what their READMEs say; src/ knows nothing of them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from tests.conftest import PROJECT

EXAMPLES = PROJECT / "examples"


@pytest.fixture
def train_example(train: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """`train_example("texts", "experiment=sentences")` trains with the conf/ of an example beside the project's."""

    def train_example(example: str, *overrides: str) -> dict[str, Any]:
        return train("--config-dir", str(EXAMPLES / example / "conf"), *overrides, "name=run")

    return train_example


def test_the_project_does_not_know_its_examples():
    for file in (PROJECT / "src").rglob("*.py"):
        assert "examples." not in "".join(line for line in file.read_text().splitlines() if "import" in line), file


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.py")), ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_an_example_needs_the_project_and_its_dependencies_alone(file):
    theirs = {"matplotlib", "numpy", "pandas", "PIL", "torch", "torchmetrics", "lightning", "src", "examples"}
    for node in ast.walk(ast.parse(file.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.partition(".")[0] for name in names} <= theirs | set(sys.stdlib_module_names)


@pytest.mark.usefixtures("real_pictures")
def test_segmentation(train_example, call, capsys):
    few = ["data.size=300", "data.noise=0.02", "net.channels=[8,16]", "trainer.max_epochs=2"]
    results = train_example("segmentation", "experiment=shapes", *few)
    assert results["status"] == "finished"
    assert {"test/loss", "test/iou", "test/pixel_accuracy", "val/iou", "train/iou"} <= results.keys()
    assert results["test/pixel_accuracy"] > 0.7  # it is mostly the background's that it finds so soon
    assert (results["run"] / "plots" / "masks.png").stat().st_size > 0

    capsys.readouterr()
    assert call("evaluate", "outputs/run", "--resamples", "2") == 0
    assert f"test/iou             {results['test/iou']:.4f}" in capsys.readouterr().out

    from examples.segmentation.shapes import shapes

    Path("new").mkdir()
    data = shapes(size=5, pixels=32, noise=0.02, data_seed=1)
    for number, x in enumerate(data.x):
        Image.fromarray(x.permute(1, 2, 0).numpy()).save(f"new/{number}.png")
    assert call("predict", "outputs/run", "new", "-o", "masks") == 0
    masks = np.stack([np.asarray(Image.open(f"masks/{number}.png")) for number in range(5)])
    assert len(list(Path("masks").iterdir())) == 5
    assert masks.shape == (5, 32, 32)
    assert (masks == data.y.numpy()).mean() > 0.6
    assert call("predict", "outputs/run", "new", "-o", "masks") == 1
    assert "-o masks: exists already" in capsys.readouterr().err


def test_of_two_pictures_of_one_name_no_mask_is_lost(train_example, call, capsys):
    few = ["data.size=40", "net.channels=[4]", "trainer.max_epochs=1"]
    train_example("segmentation", "experiment=shapes", *few)
    Path("new").mkdir()
    for ending in ("png", "bmp"):
        Image.new("RGB", (32, 32)).save(f"new/a.{ending}")
    assert call("predict", "outputs/run", "new", "-o", "masks") == 1
    assert "differ in their ending only" in capsys.readouterr().err
    assert not Path("masks").exists()


def test_a_later_shape_lies_over_an_earlier_one():
    from examples.segmentation.shapes import CLASSES, shapes

    data = shapes(size=50, pixels=32, noise=0.0, data_seed=0)
    assert data.x.shape == (50, 3, 32, 32)
    assert set(data.y.unique().tolist()) == set(range(len(CLASSES)))
    for x, y in zip(data.x, data.y, strict=True):  # without noise each shape has one colour, as has the background
        assert len(x[:, y == 0].unique(dim=1).T) == 1
        assert len(x.flatten(1).unique(dim=1).T) <= 3


@pytest.mark.usefixtures("real_pictures")
def test_texts(train_example, call, capsys):
    results = train_example("texts", "experiment=sentences", "trainer.max_epochs=12")
    assert results["test/accuracy"] > 0.88  # with words alone, whatever their order, it is about 0.76
    assert (results["run"] / "plots" / "confusion.png").exists()
    capsys.readouterr()
    assert call("evaluate", "outputs/run", "--resamples", "2") == 0
    assert f"test/accuracy   {results['test/accuracy']:.4f}" in capsys.readouterr().out

    new = [("The hotel was not dirty at all.", "positive"), ("Nothing about the pool was lovely.", "negative")] * 3
    pd.DataFrame(new, columns=["sentence", "sentiment"]).to_csv("new.csv", index=False)
    assert call("evaluate", "outputs/run", "data.path=new.csv", "--resamples", "2") == 0
    assert "All 6 examples of new.csv are scored." in capsys.readouterr().err

    pd.DataFrame({"id": ["01", "02"], "sentence": [new[0][0], ""]}).to_csv("ask.csv", index=False)
    assert call("predict", "outputs/run", "ask.csv", "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv", dtype={"id": str})
    assert answers.id.tolist() == ["01", "02"]
    assert answers.predicted_sentiment[0] == "positive"
    assert call("predict", "outputs/run", "none.csv", "-o", "answers.csv") == 1
    assert "none.csv: No such file or directory." in capsys.readouterr().err


def test_a_net_for_texts_is_exported_for_any_length(train_example, call):
    from src.run import Run

    train_example("texts", "experiment=sentences", "trainer.max_epochs=1")
    assert call("export", "outputs/run") == 0
    exported, module = torch.export.load("outputs/run/export/model.pt2").module(), Run("outputs/run").load()
    for length in (1, 3, 40):
        x = torch.randint(1, 100, (4, length), generator=torch.Generator().manual_seed(length))
        assert torch.allclose(exported(x), module(x), atol=1e-6)
        longer = torch.nn.functional.pad(x, (0, 5))  # padding changes nothing
        assert torch.allclose(module(longer), module(x), atol=1e-6)
