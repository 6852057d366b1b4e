"""Answers of a finished run for new inputs: all of them, in their order, in a whole file or none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from src.formats.tables import table_written_whole
from src.learning.intervals import intervals
from src.module import SupervisedModule
from src.run import Run
from src.tasks import Classification
from tests.conftest import PROJECT
from tests.sources import description


def houses(path: str, rows: int, seed: int = 0, **columns: float) -> pd.DataFrame:
    """A table with a number, a category, a date, yes or no, an id that must stay as it is, and the target."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "id": [f"{i:05d}" for i in range(rows)],
            "rooms": random.integers(1, 9, rows),
            "city": random.choice(["Bergen", "Oslo", "Å, in Lofoten"], rows),
            "built": pd.Timestamp("1950-01-01") + pd.to_timedelta(random.integers(0, 20000, rows), unit="D"),
            "garden": random.choice(["yes", "no"], rows),
        }
    )
    table["price"] = 1000.5 * table.rooms + 3000 * (table.city == "Oslo") + random.normal(0, 100, rows)
    table = table.assign(**columns)
    table.to_csv(path, index=False)
    return table


TABLE = ("data=table", "data.path=house.csv", "data.drop=[id]")
SHORT = ("net.hidden=[16]", "trainer.max_epochs=3")


@pytest.fixture
def house(finished, folder):
    houses("house.csv", 300)
    finished(*TABLE, "data.target=price", "name=house", *SHORT)
    return folder


def test_the_rows_come_back_as_they_were_with_the_answer_last(house, call, capsys):
    houses("new.csv", 50, seed=1)
    text = Path("new.csv").read_text().splitlines()
    Path("new.csv").write_text("\n".join(line.rpartition(",")[0] for line in text) + "\n")  # no price
    assert call("predict", "outputs/house", "new.csv", "-o", "answers.csv") == 0
    assert "answers.csv  50 predictions" in capsys.readouterr().out
    lines = Path("answers.csv").read_text().splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [line.rpartition(",")[0] for line in text]
    assert lines[0].endswith(",predicted_price")
    assert {path.name for path in house.iterdir()} == {"house.csv", "new.csv", "outputs", "answers.csv"}


def test_the_answers_are_those_of_the_run(house, call):
    """The test split, asked as a new file, has the error that the run has found."""
    run = Run("outputs/house")
    rows = run.data().splits["test"].indices
    table = pd.read_csv("house.csv", dtype={"id": str}).iloc[[int(row) for row in rows]]
    table.to_csv("test.csv", index=False)
    assert call("predict", "outputs/house", "test.csv", "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv")
    assert (answers.price - answers.predicted_price).abs().mean() == pytest.approx(run.results["test/mae"], rel=1e-4)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_classes_have_a_name_and_probabilities(house, finished, call, ending):
    finished(*TABLE, "data.target=city", "name=city", *SHORT)
    assert call("predict", "outputs/city", "house.csv", "-o", f"answers.{ending}") == 0
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    answers = read[ending](f"answers.{ending}")
    names = [f"probability_{name}" for name in ("Bergen", "Oslo", "Å, in Lofoten")]
    assert list(answers.columns[-4:]) == ["predicted_city", *names]
    assert answers[names].sum(axis=1).to_numpy() == pytest.approx(np.ones(300), abs=1e-5)
    assert (answers[names].idxmax(axis=1).str.removeprefix("probability_") == answers.predicted_city).all()
    assert len(answers) == 300


def test_numbers_are_numbers_in_json(house, call):
    assert call("predict", "outputs/house", "house.csv", "-o", "answers.jsonl") == 0
    first = json.loads(Path("answers.jsonl").read_text().splitlines()[0])
    assert first["rooms"] == int(first["rooms"])
    assert isinstance(first["predicted_price"], float)
    assert "e+" not in Path("answers.jsonl").read_text()


@pytest.mark.parametrize("text", ["plain", "", "a,b", 'say "a"', "two\nlines", "two\rlines"])
@pytest.mark.parametrize("columns", [1, 3])
def test_lines_are_joined_as_pandas_joins_them(folder, text, columns):
    """What pandas needs quotes for has them in the later parts too, which are put together without it."""
    values = {"text": ["å", text], "float32": np.array([1 / 3, np.nan], "float32"), "float64": [1e-20, 3.0]}
    frame = pd.DataFrame(dict(list(values.items())[:columns]))
    with table_written_whole(Path("a.csv"), Path("none")) as write:
        for _ in range(3):
            write(frame)
    frame.loc[[0, 1] * 3].to_csv("pandas.csv", index=False)
    assert Path("a.csv").read_bytes() == Path("pandas.csv").read_bytes()


def test_what_is_missing_is_null_in_json():
    with table_written_whole(Path("a.jsonl"), Path("none")) as write:
        write(pd.DataFrame({"a": [0.5, np.nan], "b": ["x", None]}))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    lines = [json.loads(line, parse_constant=refuse) for line in Path("a.jsonl").read_text().splitlines()]
    assert lines == [{"a": 0.5, "b": "x"}, {"a": None, "b": None}]


def test_several_targets_have_an_answer_each(train, call):
    table = houses("house.csv", 200)
    table.assign(tax=table.price / 10).to_csv("house.csv", index=False)
    train(*TABLE, "data.target=[price,tax]", "name=two", *SHORT)
    assert call("predict", "outputs/two", "house.csv", "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv")
    assert list(answers.columns[-2:]) == ["predicted_price", "predicted_tax"]
    for name in ("price", "tax"):
        assert answers[f"predicted_{name}"].mean() == pytest.approx(answers[name].mean(), rel=0.5)


def test_pictures_are_named(train, call, folder):
    random = np.random.default_rng(0)
    for name, base in (("dark", 0), ("light", 130)):
        Path("photos", name).mkdir(parents=True)
        for i in range(20):
            Image.fromarray((random.integers(0, 120, (20, 24, 3)) + base).astype("uint8")).save(
                f"photos/{name}/{i}.png"
            )
    train("data=images", "data.path=photos", "data.size=8", "data.num_workers=0", "name=photos", *SHORT)
    assert call("predict", "outputs/photos", "photos/dark", "-o", "answers.csv", "data.num_workers=0") == 0
    answers = pd.read_csv("answers.csv")
    assert list(answers.columns) == ["file", "predicted_class", "probability_dark", "probability_light"]
    assert sorted(answers.file) == sorted(f"{i}.png" for i in range(20))


def test_any_run_answers_for_arrays(train, call):
    train("data=line", "name=line", *SHORT)
    np.save("points.npy", np.linspace(0, 1, 7, dtype="float32")[:, None])
    assert call("predict", "outputs/line", "points.npy", "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv")
    assert answers.row.tolist() == list(range(7))
    with torch.no_grad():
        expected = Run("outputs/line").load()(torch.linspace(0, 1, 7)[:, None])[:, 0]
    assert answers.iloc[:, -1].to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)


@pytest.mark.parametrize("size", ["0", "x"])
def test_batches_of_nothing_are_refused(house, call, capsys, size):
    assert call("predict", "outputs/house", "house.csv", "-o", "none.csv", f"data.batch_size={size}") == 1
    assert f"Error: data.batch_size={size}: a whole number from 1 is needed." in capsys.readouterr().err
    assert not Path("none.csv").exists()


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("answers.xlsx", "-o answers.xlsx: it must end in .csv, .jsonl, .parquet."),
        ("none/answers.csv", "-o none/answers.csv: the folder none does not exist."),
        ("new.csv", "-o new.csv is the input itself. Choose another file."),
        ("outputs", "it must end in .csv, .jsonl, .parquet."),
    ],
)
def test_a_place_for_the_answers_that_cannot_be(house, call, capsys, output, says):
    houses("new.csv", 5)
    before = Path("new.csv").read_text()
    assert call("predict", "outputs/house", "new.csv", "-o", output) == 1
    assert says in capsys.readouterr().err
    assert Path("new.csv").read_text() == before


def test_an_input_that_cannot_be_read_is_named_not_the_place_for_the_answers(house, call, capsys, monkeypatch):
    Path("folder").mkdir()
    Path("binary.csv").write_bytes(bytes(range(256)) * 20)
    for name in ("locked.csv", "broken.csv"):
        houses(name, 5)
    real, failures = Path.open, {"locked.csv": (13, "Permission denied", "locked.csv"), "broken.csv": (5, "I/O error")}

    def refuse(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name in failures:
            raise OSError(*failures[path.name])
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    for name, says in {
        "none.csv": "none.csv is not a file.",
        "folder": "folder is not a file but a folder. Name a file in it: folder/...",
        "binary.csv": "binary.csv",
        "locked.csv": "locked.csv: Permission denied.",
        "broken.csv": "broken.csv: I/O error.",
    }.items():
        capsys.readouterr()
        assert call("predict", "outputs/house", name, "-o", "answers.csv") == 1
        [line] = capsys.readouterr().err.splitlines()[-1:]
        assert line.startswith(f"Error: {says}")
        assert not Path("answers.csv").exists()


def test_a_place_that_cannot_be_written_to_is_named(house, call, capsys, monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fails)
    assert call("predict", "outputs/house", "house.csv", "-o", "answers.csv") == 1
    assert "Error: -o answers.csv cannot be written: No space left on device." in capsys.readouterr().err


def test_a_failure_midway_leaves_the_old_answers(house, call, capsys):
    table = houses("new.csv", 30_000, seed=2)
    table["rooms"] = table.rooms.astype(object)
    table.loc[25_000, "rooms"] = "many"
    table.to_csv("new.csv", index=False)
    Path("answers.csv").write_text("old")
    assert call("predict", "outputs/house", "new.csv", "-o", "answers.csv") == 1
    error = capsys.readouterr().err
    assert "25001" in error
    assert "many" in error
    assert Path("answers.csv").read_text() == "old"
    assert not list(house.glob(".*"))


def test_answers_are_not_taken_for_inputs(house, call, capsys):
    houses("new.csv", 5, predicted_price=1.0)
    assert call("predict", "outputs/house", "new.csv", "-o", "again.csv") == 1
    assert "predicted_price" in capsys.readouterr().err
    assert not Path("again.csv").exists()


def test_a_run_that_has_not_finished_gives_no_answers(house, call, capsys):
    Path("outputs/house/results.json").unlink()
    assert call("predict", "outputs/house", "house.csv", "-o", "answers.csv") == 1
    assert "outputs/house is not finished. Repeat its command" in capsys.readouterr().err


def test_stopped_it_leaves_nothing(house):
    """SIGTERM in the middle of a large file."""
    houses("new.csv", 400_000)
    command = [sys.executable, "-m", "src.predict", "outputs/house", "new.csv", "-o", "answers.csv"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stderr=subprocess.DEVNULL)
    while not list(house.glob(".partial.answers.csv")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    assert not list(house.glob("*answers*"))
    assert not list(house.glob(".*"))


def test_new_data_are_scored_as_a_whole(house, call, capsys):
    houses("sold.csv", 80, seed=3)
    capsys.readouterr()
    assert call("evaluate", "outputs/house", "data.path=sold.csv", "--resamples", "200") == 0
    said = capsys.readouterr()
    assert "All 80 examples of sold.csv are scored." in said.err
    found = re.findall(r"(\S+) +(\S+)   95 % between (\S+) and (\S+)", said.out)
    assert [name for name, *_ in found] == ["test/r2", "test/rmse", "test/mae", "test/mse"]
    assert all(float(low) < float(value) < float(high) for _, value, low, high in found)
    assert call("predict", "outputs/house", "sold.csv", "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv")
    mae = (answers.price - answers.predicted_price).abs().mean()
    [line] = [line for line in said.out.splitlines() if line.startswith("test/mae")]
    assert float(line.split()[1]) == pytest.approx(mae, rel=1e-3)
    assert call("evaluate", "outputs/house", "data.path=sold.csv", "--split", "val") == 1
    assert "--split val: sold.csv is new to the run, so all of it is scored." in capsys.readouterr().err


def test_the_runs_own_rows_are_known_again_in_another_place(house, call, capsys):
    """Else the rows that it has learnt from would count as a test."""
    Path("copy.csv").write_bytes(Path("house.csv").read_bytes())
    capsys.readouterr()
    assert call("evaluate", "outputs/house", "data.path=copy.csv", "--resamples", "0") == 0
    copy = capsys.readouterr()
    assert "copy.csv holds the examples that the run was trained with" in copy.err
    assert call("evaluate", "outputs/house", "--resamples", "0") == 0
    assert capsys.readouterr().out == copy.out


def test_a_run_is_scored_from_another_folder(house, call, capsys, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert call("evaluate", str(house / "outputs/house"), "--resamples", "0") == 0


def test_an_interval_holds_the_score_and_shrinks_with_more_examples():
    binary = Classification(description(classes=["no", "yes"]))
    generator = torch.Generator().manual_seed(0)
    widths = []
    for size in (100, 10_000):
        y = torch.randint(2, (size,), generator=generator)
        right = torch.rand(size, generator=generator) < 0.8
        sure = torch.where(right == (y == 1), 0.9, 0.1)
        low, high = intervals(binary, torch.stack([1 - sure, sure], dim=1), y, resamples=300)["accuracy"]
        assert low < right.float().mean().item() < high
        widths.append(high - low)
    # A share p of N examples has the deviation sqrt(p (1 - p) / N); 95 % lie within 1.96 of it.
    assert widths[1] == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 10_000) ** 0.5, rel=0.15)
    assert widths[0] > 5 * widths[1]


class Share:
    """A task that is scored by one number, of which nobody has said that it is a share."""

    shares = ()

    def metrics(self) -> dict[str, Metric]:
        return {"accuracy": MulticlassAccuracy(2, average="micro", validate_args=False)}


def test_an_interval_is_of_95_percent():
    y = torch.ones(1000, dtype=torch.long)
    predictions = torch.tensor([[0.0, 1.0]]).repeat(1000, 1)
    predictions[:200] = torch.tensor([1.0, 0.0])
    task: Any = Share()
    low, high = intervals(task, predictions, y)["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * (0.8 * 0.2 / 1000) ** 0.5, rel=0.07)
    assert (low + high) / 2 == pytest.approx(0.8, abs=0.005)


def test_a_few_examples_that_are_all_right_are_not_sure():
    """Wilson's interval: of 27 right ones from 27 / (27 + 1.96**2) to 1; no draw says how sure the others are."""
    y = torch.arange(27) % 2
    found = intervals(Classification(description(classes=["no", "yes"])), torch.eye(2)[y], y)
    assert found == {"accuracy": pytest.approx((27 / (27 + 1.959964**2), 1))}


def test_an_interval_is_of_the_draws_that_determine_the_metric():
    """Of few examples some draws are of one class, so that they have no AUROC."""
    y = torch.tensor([0, 1, 0, 1, 0, 0])
    second = torch.tensor([0.1, 0.9, 0.6, 0.5, 0.2, 0.3])
    binary = Classification(description(classes=["no", "yes"]))
    low, high = intervals(binary, torch.stack([1 - second, second], dim=1), y, resamples=100)["auroc"]
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_in_many_parts_has_one_header_and_all_rows(house, call, ending):
    """With batches of 7, each row has the answer that it has in a batch of all."""
    assert call("predict", "outputs/house", "house.csv", "-o", f"whole.{ending}") == 0
    assert call("predict", "outputs/house", "house.csv", "-o", f"parts.{ending}", "data.batch_size=7") == 0
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    whole, parts = (read[ending](f"{name}.{ending}") for name in ("whole", "parts"))
    assert len(parts) == 300
    pd.testing.assert_frame_equal(whole, parts, rtol=1e-4)


def test_a_processor_computes_some_rows_at_once_and_their_answers_are_the_same(house, call, monkeypatch):
    sizes, forward = list[int](), SupervisedModule.forward
    monkeypatch.setattr(SupervisedModule, "forward", lambda self, x: sizes.append(len(x)) or forward(self, x))
    assert call("predict", "outputs/house", "house.csv", "-o", "whole.csv", "trainer=cpu") == 0
    monkeypatch.setattr("src.predict.AT_ONCE", 70)
    assert call("predict", "outputs/house", "house.csv", "-o", "parts.csv", "trainer=cpu") == 0
    assert sizes == [300, 70, 70, 70, 70, 20]
    pd.testing.assert_frame_equal(pd.read_csv("whole.csv"), pd.read_csv("parts.csv"), rtol=1e-4)


def test_answers_that_are_no_inputs_are_not_written_over(train, call, capsys):
    """Not where the run knows their column either, since it was told to leave it out."""
    houses("house.csv", 60, predicted_price=1.0)
    train(*TABLE[:2], "data.drop=[id,predicted_price]", "data.target=price", "name=again", *SHORT)
    capsys.readouterr()
    assert call("predict", "outputs/again", "house.csv", "-o", "answers.csv") == 1
    assert "The input has a column predicted_price already" in capsys.readouterr().err
    assert not Path("answers.csv").exists()
