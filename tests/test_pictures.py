"""The pictures of a run, by what was learnt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.files.history import history_of, read_history
from src.plots.animation import FRAMES
from src.plots.confusion import Confusion
from src.plots.fit import Fit
from src.plots.mistakes import Mistakes
from src.plots.predictions import Predictions
from src.run import Run

PROJECT = Path(__file__).resolve().parent.parent
ONE = "trainer.max_epochs=1"
pytestmark = pytest.mark.usefixtures("real_pictures")


@pytest.mark.parametrize(
    ("overrides", "drawn"),
    [
        (["data=digits"], {"confusion", "mistakes"}),
        (["data=digits", "data.shape=[8,8]"], {"confusion", "mistakes"}),
        (["data=breast_cancer"], {"confusion"}),
        (["data=diabetes"], {"predictions"}),
        (["data=line"], {"fit"}),
        (["data=line", "data.fractions=[0.8,0.2,0]"], {"fit"}),
        (["data=wine", "data.fractions=[0.8,0.2,0]"], {"confusion"}),
    ],
    ids=lambda words: " ".join(sorted(words)),
)
def test_they_are_those_that_suit_the_data(train, overrides, drawn):
    from PIL import Image

    plots = Path(train(*overrides, ONE)["run"]) / "plots"
    assert {path.name for path in plots.iterdir()} == {f"{name}.png" for name in drawn | {"learning_curve"}}
    for path in plots.iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 300


def test_the_learning_curve_has_every_epoch_and_marks_the_best(train, monkeypatch):
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr("src.plots.learning_curve.save", lambda figure, path: drawn.update({path.stem: figure}))
    settings = ["data=wine", "net.hidden=[4]", "trainer.max_epochs=3", "mode=max"]  # so the first epoch is the best
    rows = read_history(history_of(train(*settings)["run"]))
    for axes, metric in zip(drawn["learning_curve"].axes, ("loss", "accuracy"), strict=True):
        of_train, of_val, best = axes.lines
        for line, split in ((of_train, "train"), (of_val, "val")):
            values = [(row["epoch"], row[f"{split}/{metric}"]) for row in rows]
            assert (line.get_label(), np.asarray(line.get_xydata()).tolist()) == (split, [list(v) for v in values])
        assert (best.get_label(), np.unique(best.get_xdata()).tolist()) == ("best val/loss", [0])


def module_and_data(finished, *overrides: str):
    run = Run(finished(*overrides, ONE, "name=r")["run"])
    module = run.load()
    return module, run.data()


def test_the_confusion_matrix_counts_true_by_predicted(finished):
    module, data = module_and_data(finished, "data=wine")
    confusion = Confusion()
    for true, predicted in [([0, 0, 1], [0, 2, 1]), ([2, 2, 2], [2, 2, 1])]:
        confusion.add(torch.zeros(3, 13), torch.tensor(true), torch.eye(3)[predicted])
    [axes, _] = confusion.draw(module, data, "test", {"test/accuracy": 4 / 6}).axes
    cells = {(text.get_position()[::-1]): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "1", (0, 2): "1", (1, 1): "1", (2, 2): "2", (2, 1): "1"}
    shares = np.asarray(axes.images[0].get_array())  # of the true class
    np.testing.assert_allclose(shares, [[1 / 2, 0, 1 / 2], [0, 1, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["1", "2", "3"]
    assert axes.get_title() == "cultivar: accuracy 0.667 on 6 test examples"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


def test_the_most_confident_mistakes_come_first(finished):
    module, data = module_and_data(finished, "data=digits")
    mistakes = Mistakes()
    images = torch.arange(20.0).reshape(20, 1, 1, 1).expand(20, 1, 8, 8)
    sure = torch.linspace(0.5, 0.9, 20)
    probabilities = torch.zeros(20, 10)
    probabilities[:, 3], probabilities[:, 7] = sure, 1 - sure
    y = torch.full((20,), 7)
    y[19] = 3  # the surest of all is right
    for batch in zip(images.split(6), y.split(6), probabilities.split(6), strict=True):
        mistakes.add(*batch)
    figure = mistakes.draw(module, data, "test", {})
    assert figure.get_suptitle() == "The most confident of 19 mistakes on the test split"
    assert len(figure.axes) == 16
    assert [np.asarray(axes.images[0].get_array())[0, 0] for axes in figure.axes] == list(range(18, 2, -1))
    assert figure.axes[0].get_title() == "3 (88%), is 7"


def test_no_mistake_is_said_to_be_none(finished):
    module, data = module_and_data(finished, "data=digits")
    assert Mistakes().draw(module, data, "test", {}).get_suptitle() == "No mistake on the test split"


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (3, 8, 8)])
@pytest.mark.parametrize("kind", [torch.float32, torch.uint8])
def test_mistakes_are_drawn_from_any_kind_of_image(finished, shape, kind):
    module, data = module_and_data(finished, "data=digits")
    mistakes = Mistakes()
    mistakes.add((200 * torch.rand(1, *shape)).to(kind), torch.tensor([1]), torch.eye(10)[:1])
    [axes] = mistakes.draw(module, data, "test", {}).axes
    assert np.asarray(axes.images[0].get_array()).shape[:2] == (8, 8)


def test_predictions_are_drawn_against_the_truth(finished):
    module, data = module_and_data(finished, "data=diabetes")
    predictions = Predictions()
    predictions.add(torch.zeros(2, 10), torch.tensor([[100.0], [200.0]]), torch.tensor([[110.0], [190.0]]))
    predictions.add(torch.zeros(1, 10), torch.tensor([[300.0]]), torch.tensor([[290.0]]))
    [axes] = predictions.draw(module, data, "test", {"test/r2": 0.5, "test/rmse": 10.0}).axes
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [[100, 110], [200, 190], [300, 290]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true progression", "predicted progression")


def test_the_curve_is_what_the_module_answers(finished):
    module, data = module_and_data(finished, "data=line", "net=linear")
    [axes] = Fit().draw(module, data, "test", {"test/rmse": 0.1}).axes
    x, y = (Tensor(values).unsqueeze(1) for values in axes.lines[0].get_data())
    with torch.no_grad():
        assert torch.allclose(module(x), y)
        at_0, at_1 = module(torch.tensor([[0.0], [1.0]]))[:, 0].tolist()
    assert axes.lines[0].get_label() == f"{at_0:.5f} {at_1 - at_0:+.5f} x"
    points = sum(len(np.asarray(scatter.get_offsets())) for scatter in axes.collections)
    assert points == 100


def test_a_long_film_is_thinned_out_and_a_stopped_one_goes_on(folder):
    command = [sys.executable, "-m", "src.train", "experiment=parabola", "name=film", "trainer.max_epochs=400"]
    command += ["callbacks.last.every_seconds=0.0", "trainer.check_val_every_n_epoch=1"]
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    history = Path("outputs/film/logs/metrics.csv")
    while not (history.exists() and len(history.read_text().splitlines()) > 100):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = torch.load("outputs/film/checkpoints/last.ckpt", weights_only=True)["epoch"]
    rows = history.read_text().splitlines()[: before + 1]
    assert subprocess.run(command, env=env, capture_output=True).returncode == 0
    assert before > 50
    assert history.read_text().splitlines()[: before + 1] == rows  # with their seconds: it did not begin anew
    checkpoint = torch.load("outputs/film/checkpoints/last.ckpt", weights_only=True)
    [state] = [state for state in checkpoint["callbacks"].values() if "frames" in state]
    epochs = [epoch for epoch, *_ in state["frames"]]
    assert epochs == [*range(0, 400, state["every"]), 399]
    assert FRAMES / 2 <= len(epochs) <= FRAMES
    assert [path.name for path in Path("outputs/film/plots").glob("*.gif")] == ["fit.gif"]
