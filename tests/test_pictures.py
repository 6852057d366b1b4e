"""The pictures of a run, by what was learnt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from src.console.numbers import shown
from src.files.history import history_of, read_history
from src.plots import names
from src.plots.animation import FRAMES
from src.plots.confusion import Confusion
from src.plots.fit import Fit
from src.plots.mistakes import Mistakes
from src.plots.predictions import Predictions
from src.plots.sheet import save, styled
from src.plots.ticks import few_ticks, in_short
from src.run import Run

PROJECT = Path(__file__).resolve().parent.parent
ONE = "trainer.max_epochs=1"
NO_NET: Any = None
pytestmark = pytest.mark.usefixtures("real_pictures")


@pytest.mark.parametrize(
    ("overrides", "drawn"),
    [
        (["data=digits"], {"confusion", "mistakes"}),
        (["data=digits", "data.shape=[8,8]"], {"confusion", "mistakes"}),
        (["data=breast_cancer"], {"confusion", "importance"}),
        (["data=diabetes"], {"predictions", "importance"}),
        (["data=line"], {"fit"}),
        (["data=line", "data.fractions=[0.8,0.2,0]"], {"fit"}),
        (["data=wine", "data.fractions=[0.8,0.2,0]"], {"confusion", "importance"}),
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
    figure = confusion.draw(module, data, "test", {"test/accuracy": 4 / 6})
    [axes] = figure.axes
    cells = {(text.get_position()[::-1]): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "1", (0, 2): "1", (1, 1): "1", (2, 2): "2", (2, 1): "1"}
    shares = np.asarray(axes.images[0].get_array())  # of the true class
    np.testing.assert_allclose(shares, [[1 / 2, 0, 1 / 2], [0, 1, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["1", "2", "3"]
    assert figure.get_suptitle().replace("\n", " ") == "cultivar: accuracy 0.667 on 6 test examples"
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
    assert figure.axes[0].get_title(loc="left") == "3 (88%), is 7"


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


def of_classes(classes: list[str], target: str = "kind") -> Figure:
    """The confusion matrix of four rights and a wrong for each class, which is taken for the next one."""
    count, confusion = len(classes), Confusion()
    truth = torch.arange(5 * count) % count
    predicted = (truth + (torch.arange(5 * count) < count).long()) % count
    confusion.add(torch.zeros(1), truth, torch.eye(count)[predicted])
    data: Any = SimpleNamespace(description=SimpleNamespace(classes=classes, target=target))
    return confusion.draw(NO_NET, data, "test", {"test/accuracy": 0.8})


def of_values(true: list[float], predicted: list[float], targets: tuple[str, ...] = ("price",)) -> Figure:
    predictions = Predictions()
    predictions.add(torch.zeros(1), *(torch.tensor([values] * len(targets)).T for values in (true, predicted)))
    data: Any = SimpleNamespace(description=SimpleNamespace(target=", ".join(targets), targets=list(targets)))
    return predictions.draw(NO_NET, data, "test", {"test/r2": float("nan"), "test/rmse": 1e-9})


def texts_of(figure: Figure) -> list[tuple[str, Any]]:
    """What is written in a figure, and where, in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    with styled():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
        return [(text.get_text(), text) for text in texts]


def corners(text: Any, renderer: Any) -> np.ndarray:
    """The rectangle around a text, which may be turned."""
    x, y = text.get_transform().transform(text.get_unitless_position())
    angle = text.get_rotation()
    text.set_rotation(0)
    box = text.get_window_extent(renderer)
    text.set_rotation(angle)
    turn = np.deg2rad(angle)
    around = np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]]) - [x, y]
    return around @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + [x, y]


def apart(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether a straight line goes between two rectangles."""
    for sides in (one, other):
        for side in np.diff(sides[:3], axis=0):
            normal = [-side[1], side[0]]
            if max(one @ normal) <= min(other @ normal) + 1 or max(other @ normal) <= min(one @ normal) + 1:
                return True
    return False


LONG = [f"a very long name of a class, of {n} words" for n in range(4)] + [
    "Supercalifragilisticexpialidociousnesses",
    "b",
]
PICTURES = {
    "long names": lambda: of_classes(LONG, "a target whose name is longer than anyone would ever expect it to be"),
    "two names": lambda: of_classes(["benign tumour of the left side", "malignant"]),
    "30 classes": lambda: of_classes([f"Genus species {n}" for n in range(30)]),
    "300 classes": lambda: of_classes([f"class {n}" for n in range(300)]),
    "odd names": lambda: of_classes(
        ["猫", "🦊", "$x$ and $y$", "100%", "a_b^2", "new\nline", "\\frac{1}{2}"], "$5 and $6"
    ),
    "tiny values": lambda: of_values([1e-9, 2e-9], [1.5e-9, 1e-9]),
    "huge values": lambda: of_values([1e12, 2e12], [1.5e12, 1e12]),
    "nearly the same": lambda: of_values([1e7, 1e7 + 1], [1e7 + 1, 1e7]),
    "all the same": lambda: of_values([5.0, 5.0], [5.0, 5.0]),
    "one row": lambda: of_values([3.0], [4.0]),
    "many targets": lambda: of_values([1.0, 2.0], [2.0, 1.0], tuple(f"target {name}" for name in LONG)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", PICTURES)
def test_texts_are_within_the_picture_and_not_upon_one_another(name, folder):
    from PIL import Image

    figure = PICTURES[name]()
    texts, renderer = texts_of(figure), cast(Any, figure.canvas).get_renderer()
    width, height = figure.bbox.size
    around = [(said, corners(text, renderer)) for said, text in texts]
    for said, place in around:
        assert (place > -1).all(), said
        assert (place < [width + 1, height + 1]).all(), said
    boxes = [(said, place, [*place.min(axis=0), *place.max(axis=0)]) for said, place in around]
    for number, (said, place, box) in enumerate(boxes):
        for other, others, their in boxes[:number]:
            may_touch = box[0] < their[2] and their[0] < box[2] and box[1] < their[3] and their[1] < box[3]
            assert not may_touch or apart(place, others), (said, other)
    save(figure, folder / "picture.png")
    with Image.open(folder / "picture.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 20


def test_many_classes_are_those_that_are_most_often_confused():
    confusion, count = Confusion(), 300
    truth = torch.arange(count).repeat(3)
    predicted = truth.clone()
    predicted[[7, 250, 299]] = 250  # classes 7 and 299 are taken for 250
    confusion.add(torch.zeros(1), truth, torch.eye(count)[predicted])
    data: Any = SimpleNamespace(description=SimpleNamespace(classes=[f"c{n}" for n in range(count)], target="kind"))
    figure = confusion.draw(NO_NET, data, "test", {"test/accuracy": 0.99})
    [axes] = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert {"c7", "c250", "c299", "all others"} <= set(names)
    assert len(names) == 31
    cells = {text.get_position(): int(text.get_text()) for text in axes.texts}
    assert cells[names.index("c250"), names.index("c7")] == 1
    assert sum(cells.values()) == 3 * count
    assert figure.get_suptitle().endswith("the 30 of 300 classes with the most mistakes")


def test_names_are_shown_as_they_are_or_can_be_told():
    with styled():
        assert names.short("$x_1$ and \\alpha") == "$x_1$ and \\alpha"
        assert names.short("a" * 30 + "b" * 30, 20) == "a" * 10 + "…" + "b" * 10
        alike = names.short_names(["a" * 30 + "1" + "b" * 30, "a" * 30 + "2" + "b" * 30, "c"], 20)
        assert len(set(alike)) == 3
        assert (
            names.drawable("\U0001f98a fox\t") == "[fox face] fox\\t" or names._fonts_with(frozenset("\U0001f98a"))[0]
        )


def test_a_letter_is_drawn_in_a_font_of_the_machine_or_written_out(folder, monkeypatch, capsys):
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from matplotlib import font_manager

    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in [(0, 700), (700, 700), (700, 0)]:
        pen.lineTo(point)
    pen.closePath()
    font, glyph = FontBuilder(1000, isTTF=True), pen.glyph()
    font.setupGlyphOrder([".notdef", "cat"])
    font.setupCharacterMap({ord("猫"): "cat"})
    font.setupGlyf({".notdef": glyph, "cat": glyph})
    font.setupHorizontalMetrics({".notdef": (800, 0), "cat": (800, 0)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "OfThisTest", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(folder / "own.ttf")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(folder / "own.ttf")])
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist])
    for kept in (names._fonts_with, names._tell_once):
        kept.cache_clear()
    with styled():
        assert names.drawable("猫 and 犬") == "猫 and \\u72ac"
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "OfThisTest"]
    assert "font.family" in matplotlib.rcParams
    assert "OfThisTest" not in matplotlib.rcParams["font.family"]
    assert "No font on this machine has all letters" in capsys.readouterr().err
    names._fonts_with.cache_clear()


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([0, 1e-9, 2e-9], ["0", "1e-9", "2e-9"]),
        ([1e12, 1.5e12], ["1.0e12", "1.5e12"]),
        ([-500.0, 0, 500], ["-500", "0", "500"]),
        ([0.1], ["0.1"]),
        ([0.0], ["0"]),
        ([], []),
    ],
)
def test_ticks_have_as_few_digits_as_tell_them_apart(values, labels):
    assert in_short(values) == labels


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        ("1950-02-01", "2004-03-01", ["1960", "1980", "2000"]),
        ("2023-03-02", "2023-09-20", ["2023-04", "2023-07"]),
        ("2023-12-29", "2024-01-06", ["2023-12-29", "2024-01-01", "01-05"]),
        ("2023-03-01T01", "2023-03-01T13", ["2023-03-01 06:00", "12:00"]),
        ("2020-05-05", "2020-05-05", ["2018", "2020", "2022"]),
        ("0001-01-01", "9999-12-31", ["0001", "4001", "8001"]),
    ],
)
def test_dates_are_marked_where_years_months_or_days_begin(low, high, labels):
    with styled():
        axes = Figure(figsize=(5, 2)).add_subplot()
        axes.scatter([np.datetime64(day, "s").astype(float) / 86_400 for day in (low, high)], [0, 1])
        few_ticks(axes.xaxis, 4, days=True)
        assert [label.get_text() for label in axes.get_xticklabels()] == labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.97531, "0.9753"),
        (0.0, "0.0000"),
        (1.2346e-9, "1.235e-09"),
        (-0.00123, "-0.00123"),
        (54.08, "54.0800"),
        (1.5e12, "1.5e+12"),
        (float("nan"), "not known"),
        (None, "not known"),
    ],
)
def test_a_small_metric_is_not_shown_as_nought(value, text):
    assert shown(value) == text


def test_the_screen_shows_a_small_metric_by_its_digits(call, finished, folder, capsys):
    rows = [f"{n % 7}e-6,{3 * (n % 7)}e-6" for n in range(60)]
    (folder / "small.csv").write_text("\n".join(["a,b", *rows]))
    run = finished("data=table", f"data.path={folder}/small.csv", "data.target=b", "net=linear", ONE, "name=small")
    assert 0 < run["test/mse"] < 1e-8
    assert f"{run['test/mse']:.4g}" in capsys.readouterr().out
    assert call("evaluate", "outputs/small", "--resamples", "10") == 0
    assert f"{run['test/mse']:.4g}" in capsys.readouterr().out


def columns_drawn(call: Any, monkeypatch: pytest.MonkeyPatch, rows: list[str], *overrides: str) -> Figure:
    """What data.describe=true draws of a table whose first lines are for train, and the others for test."""
    drawn: list[Figure] = []

    def save(figure: Figure, path: Path) -> None:
        drawn.append(figure)
        path.touch()

    monkeypatch.setattr("src.plots.sheet.save", save)
    Path("t.csv").write_text("\n".join(rows))
    command = ["data=table", "data.path=t.csv", "data.describe=true", "data.split_column=split", *overrides]
    assert call("train", *command) == 0
    return drawn[0]


def table_of_towns(test: str) -> list[str]:
    """`size` tells most of y, `town` some of it, `noise` nothing; in the rows of val and test y is `test`."""
    noise = np.random.default_rng(0).random(200).round(3)
    rows = [f"{noise[n]},{'abc'[n % 3]},{n % 40 if n % 10 else ''},{n % 40 + 9 * (n % 3)},train" for n in range(150)]
    others = [(n, "val" if n % 2 else "test") for n in range(150, 200)]
    return ["noise,town,size,y,split", *rows, *(f"{noise[n]},z,{n},{test},{split}" for n, split in others)]


def test_the_columns_of_a_table_are_drawn_by_what_they_tell(call, monkeypatch, capsys):
    figure = columns_drawn(call, monkeypatch, table_of_towns("7"), "data.target=y")
    assert "outputs/data.png shows what they tell about y." in capsys.readouterr().out
    titles = [axes.get_title(loc="left").split("\n") for axes in figure.axes if axes.axison]
    assert [title[0] for title in titles] == ["y", "size", "town", "noise"]
    assert titles[1][1].endswith("10% missing")
    assert titles[3][1] in [f"tells {n}%" for n in range(5)]
    assert figure.get_suptitle() == "y in t.csv, and its columns, each by itself: 150 training rows"
    target, size, town, _ = figure.axes
    assert sum(cast(Any, bar).get_height() for bar in target.patches) == 150
    assert len(np.asarray(size.collections[0].get_offsets())) == 135  # of 150 rows, but for those without a size
    assert [label.get_text() for label in town.get_yticklabels()] == ["a", "b", "c"]
    of_other_tests = columns_drawn(call, monkeypatch, table_of_towns("1000"), "data.target=y")
    assert [axes.get_title(loc="left") for axes in of_other_tests.axes] == [
        axes.get_title(loc="left") for axes in figure.axes
    ]


def test_of_many_columns_and_classes_the_telling_ones_are_drawn(call, monkeypatch):
    random = np.random.default_rng(0)
    rows = [[*random.random(30).round(3), 7 * (n % 12) + n % 2, f"$class$ {n % 12}", "train"] for n in range(240)]
    rows += [[*random.random(31).round(3), f"$class$ {n % 12}", "val" if n < 12 else "test"] for n in range(24)]
    names = [*(f"x{j}" for j in range(30)), "telling", "kind", "split"]
    figure = columns_drawn(call, monkeypatch, [",".join(map(str, row)) for row in [names, *rows]], "data.target=kind")
    assert len(figure.axes) == 16
    target, first, *_ = figure.axes
    assert first.get_title(loc="left").startswith("telling\n")
    said = "kind in t.csv, and the 15 of 31 columns that tell most about it, each by itself: 240 training rows"
    assert figure.get_suptitle() == said
    assert {cast(Any, bar).get_width() for bar in target.patches} == {20, 1}  # of train; of val and test
    assert target.get_xlabel() == "rows: train, val, test; 6 more classes"
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()][-2:] == ["$class$ 3", "others"]


def test_each_column_is_drawn_against_the_label_of_which_it_tells_most(call, monkeypatch):
    rows = [f"{n % 7},{n % 5},{int(n % 7 > 3)},{int(n % 5 > 2)},{'train' if n < 150 else 'test'}" for n in range(200)]
    overrides = ["data.target=[rain,snow]", "task=multilabel"]
    figure = columns_drawn(call, monkeypatch, ["wet,cold,rain,snow,split", *rows], *overrides)
    titles = [axes.get_title(loc="left").strip() for axes in figure.axes]
    assert sorted(titles) == ["cold\ntells 100% of snow", "rain", "snow", "wet\ntells 100% of rain"]


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
    states = [Path("outputs/film/checkpoints", name) for name in ("last.ckpt", "previous.ckpt")]  # between two renames
    before = torch.load(next(state for state in states if state.exists()), weights_only=True)["epoch"]
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
