"""Tables: from a file that a user has to examples, and what is wrong with it in the user's words."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from src.config.build import build
from src.config.compose import compose
from src.datamodule import DataModule
from src.datasets.tables.rows import Rows
from src.datasets.tables.table import Table
from tests.conftest import PROJECT

MIXED = """rooms,city,sold,old,built,price
3,Oslo,true,7,2001-05-17,10.5
1,Bergen,false,8,2011-12-01,4.25
2,Oslo,true,7,1999-01-30,7.5
5,Paris,true,9,2020-02-29,20.75
4,Bergen,false,8,2015-06-06,14.5
2,Oslo,false,7,1988-11-11,6.5
1,Oslo,true,7,1999-02-28,3.25
3,Bergen,true,8,2002-07-01,10.0
"""


def table_of(text: str | None, *overrides: str, name: str = "t.csv", target: str = "price") -> tuple[DataModule, Table]:
    """The data module, and the dataset in it, of a table with this text; its rows are split in their order."""
    if text is not None:
        Path(name).write_text(text)
    keys = [f"data.path={name}", f"data.target={target}", "data.split_seed=null", "data.fractions=[0.5,0.25,0.25]"]
    data = build(compose("data=table", *keys, *overrides).data)
    data.setup("fit")
    dataset: Any = data.splits["train"].dataset
    return data, dataset


def rows(count: int, **columns: list[Any]) -> str:
    """CSV with a, 0.5 apart, and the target y, which is not."""
    table = pd.DataFrame({"a": np.arange(count) / 2, **columns, "y": np.sqrt(np.arange(count) + 0.5)})
    return table.to_csv(index=False)


def test_each_kind_of_column_becomes_features():
    data, table = table_of(MIXED)
    assert (data.task, data.target, data.input_shape) == ("regression", "price", (1 + 3 + 1 + 1 + 5,))
    x, y = table[3]
    assert y.tolist() == [20.75]
    assert x[:6].tolist() == [5, 0, 0, 1, 1, 9]  # rooms; Bergen, Oslo, Paris; sold; old
    days = (pd.Timestamp("2020-02-29") - pd.Timestamp("1970-01-01")).days
    year, week = 2 * np.pi * days / 365.2425, 2 * np.pi * days / 7
    expected = [days, np.sin(year), np.cos(year), np.sin(week), np.cos(week)]
    np.testing.assert_allclose(x[6:].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_numbers_can_stand_for_categories():
    data, table = table_of(MIXED, "data.categorical=[old]", "data.drop=[built,city]")
    assert data.input_shape == (1 + 1 + 3,)
    assert table[1][0].tolist() == [1, 0, 0, 1, 0]


def test_dates_in_another_order_are_read_with_their_format():
    text = "day,y\n" + "".join(f"{1 + i:02d}.02.2020 12:00,{i * i + 0.5}\n" for i in range(12))
    _, table = table_of(text, "data.date_format='%d.%m.%Y %H:%M'", target="y")
    x, _ = table[2]
    assert x[0] == (pd.Timestamp("2020-02-03") - pd.Timestamp("1970-01-01")).days + 0.5
    assert x.shape == (7,)  # with sine and cosine of the day
    assert x[5:].tolist() == pytest.approx([0, -1], abs=1e-4)  # noon


def test_dates_of_digits_alone_are_dates_where_the_format_says_so():
    text = "day,y\n" + "".join(f"202002{1 + i:02d},{i * i + 0.5}\n" for i in range(12))
    assert table_of(text, target="y")[0].input_shape == (1,)
    assert table_of(text, "data.date_format='%Y%m%d'", target="y")[0].input_shape == (5,)


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["yes", "no"] * 10, "binary", ["no", "yes"]),
        ([True, False] * 10, "binary", ["False", "True"]),
        ([5, 3, 10, 3] * 5, "multiclass", ["3", "5", "10"]),
        (["b", "c", "a", "b"] * 5, "multiclass", ["a", "b", "c"]),
        ([*range(20)], "regression", None),
        ([1.5, 2.5] * 10, "regression", None),
    ],
    ids=str,
)
def test_the_task_follows_from_the_target(values, task, classes):
    data, table = table_of(pd.DataFrame({"x": range(20), "y": values}).to_csv(index=False), target="y")
    assert (data.task, data.classes) == (task, classes)
    if classes:
        assert [classes[k] for k in table.y] == [str(value) for value in values]


def test_the_user_may_know_the_task_better():
    assert table_of(MIXED, "data.task=regression", target="old")[0].task == "regression"
    data, _ = table_of(rows(40, n=[*range(30), *range(10)]), "data.task=classification", target="n")
    assert (data.task, data.output_size) == ("multiclass", 30)


@pytest.mark.parametrize("where", [[], ["data.in_memory=false", "data.cache=cache"]])
def test_few_new_rows_are_what_they_were_in_training_whatever_they_look_like(where):
    sizes, towns = ["1", "2", "3+"] * 30, [f"t{i % 30}" for i in range(90)]
    data, table = table_of(rows(90, size=sizes, town=towns), *where, target="y")
    new = build(compose("data=table", "data.path=new.csv", "data.target=y", *where).data)
    Path("new.csv").write_text("town,y,a,size\n" + "".join(f"t{i},3,{i},2\n" for i in range(30)))
    new.adopt({"reader": data.reader, "task": data.task, "classes": None}, are_new=True)
    new.setup("test")
    x, y = new.splits["test"].dataset[4]
    assert (data.task, y.tolist(), x.shape) == ("regression", [3.0], table[0][0].shape)
    assert x[:4].tolist() == [4, 0, 1, 0]
    assert x.nonzero()[:, 0].tolist() == [0, 2, 4 + sorted(set(towns)).index("t4")]


def test_several_targets_are_several_values():
    data, table = table_of(MIXED, target="[price,rooms]")
    assert (data.task, data.output_size, data.targets) == ("regression", 2, ["price", "rooms"])
    assert table.y[0].tolist() == [10.5, 3]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.parquet", "t;.csv"])
def test_all_kinds_of_files_hold_the_same(name):
    _, expected = table_of(MIXED)
    frame = pd.read_csv("t.csv")
    if name.endswith(".parquet"):
        frame.assign(built=pd.to_datetime(frame.built)).to_parquet(name)
    else:
        separator = {"t.tsv": "\t", "t;.csv": ";"}.get(name, ",")
        frame.to_csv(name, sep=separator, decimal="," if separator == ";" else ".", index=False)
    _, table = table_of(None, *(["data.separator=';'", "data.decimal=','"] if ";" in name else []), name=f"'{name}'")
    assert torch.equal(table.x, expected.x)  # pyrefly: ignore[bad-argument-type]
    assert torch.equal(table.y, expected.y)


def test_a_table_is_read_from_an_address(site, folder):
    (folder / "t.csv").write_text(MIXED)
    _, here = table_of(MIXED)
    _, there = table_of(None, "data.cache=cache", name=f"{site}/t.csv")
    assert torch.equal(there.y, here.y)


def test_what_is_filled_in_is_learnt_from_the_training_rows_alone():
    text = "a,c,y\n1,u,0.5\n,u,1.5\n3,,2.25\n5,v,3.5\n100,v,4.5\n100,v,5.5\n100,v,6.5\n,w,7.5\n"
    data, table = table_of(text, "data.missing=impute", target="y")
    assert len(data.splits["train"]) == 4
    assert table[1][0].tolist() == [3, 1, 0]  # the mean of 1, 3 and 5
    assert table[2][0].tolist() == [3, 1, 0]  # u came most often
    assert table[7][0].tolist() == [3, 0, 0]  # no training row has w


def test_rows_with_missing_values_can_be_left_out(capsys):
    _, table = table_of("a,y\n1,0.5\n,1.5\n3,\n4,3.5\n5,6.5\n6,1.5\n", "data.missing=drop", target="y")
    assert table.y[:, 0].tolist() == [0.5, 3.5, 6.5, 1.5]
    assert "data.missing=drop: 2 of 6 rows were left out." in capsys.readouterr().err


def test_a_category_of_val_alone_is_told(capsys):
    table_of(MIXED.replace("3,Bergen,true,8,2002", "3,Rome,true,8,2002"))
    assert "city: no training row has Rome." in capsys.readouterr().err


def test_files_of_their_own_and_a_column_make_the_splits():
    Path("test.csv").write_text(MIXED.splitlines()[0] + "\n" + MIXED.splitlines()[3] + "\n")
    data, table = table_of(MIXED, "data.test_path=test.csv")
    assert [int(i) for i in data.splits["test"].indices] == [8]
    assert torch.equal(table[8][0], table[2][0])
    text = rows(9, part=["train", "val", "test", *["train"] * 6])
    data, _ = table_of(text, "data.split_column=part", target="y")
    assert [len(part) for part in data.splits.values()] == [7, 1, 1]
    assert data.input_shape == (1,)


def test_groups_stay_together_and_are_no_feature():
    data, _ = table_of(rows(40, who=[f"p{i % 10}" for i in range(40)]), "data.group_column=who", target="y")
    of = [{int(i) % 10 for i in part.indices} for part in data.splits.values()]
    assert sum(map(len, of)) == 10
    assert data.input_shape == (1,)


def test_a_table_on_disk_gives_what_one_in_memory_gives(capsys, monkeypatch):
    text = "".join([MIXED, *[MIXED.partition("\n")[2]] * 50])
    monkeypatch.setattr("src.datasets.tables.rows.CHUNK", 2000)
    monkeypatch.setattr("src.datasets.tables.conversion.CHUNK", 2000)
    memory, _ = table_of(text, "data.stratify=true", target="city")
    disk, _ = table_of(None, "data.stratify=true", "data.in_memory=false", "data.cache=cache", target="city")
    for split in ("train", "val", "test"):
        a, b = ([*data.loader(split)] for data in (memory, disk))
        assert all(torch.equal(u, v) for one, two in zip(a, b, strict=True) for u, v in zip(one, two, strict=True))
    assert memory.reader == disk.reader
    assert memory.fingerprint() == disk.fingerprint()
    [place] = Path("cache/tables").glob("*/features.bin")
    made = place.stat().st_mtime_ns
    table_of(None, "data.in_memory=false", "data.cache=cache", target="city")
    assert place.stat().st_mtime_ns == made  # the second start does not convert
    table_of(text + "1,Oslo,true,7,1999-02-28,3.25\n", "data.in_memory=false", "data.cache=cache", target="city")
    assert len([*Path("cache/tables").glob("*/features.bin")]) == 2  # another file, another conversion


CONVERT = """
import sys
sys.path.insert(0, {project!r})
from src.datasets.tables.table import read_table
print(len(read_table("big.csv", "y", in_memory=False, cache="cache")))
"""


def test_a_conversion_that_is_killed_is_never_taken_for_a_whole_one():
    """And of two at once, one converts."""
    Path("big.csv").write_text(rows(1_500_000))
    command = [sys.executable, "-c", CONVERT.format(project=str(PROJECT))]
    first = subprocess.Popen(command)
    while not [*Path("cache/tables").glob(".partial.*/features.bin")]:
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not [*Path("cache/tables").glob("*/columns.json")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [out for out, _ in said] == ["1500000\n"] * 2
    assert sum("waiting for it" in err for _, err in said) == 1
    assert [path.suffix for path in sorted(Path("cache/tables").iterdir())] == ["", ".lock"]


def test_a_full_disk_is_told_and_left_as_it_was(monkeypatch):
    def full(self: Rows, size: int) -> Iterator[Any]:
        yield np.zeros((5, 1)), np.zeros((5, 1)), 0.5
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Rows, "matrices", full)
    with pytest.raises(ValueError, match=r"t\.csv is converted in cache/tables, where .* GB are free; it needs about"):
        table_of(MIXED, "data.in_memory=false", "data.cache=cache")
    assert [path.suffix for path in Path("cache/tables").iterdir()] == [".lock"]


ROWS = rows(20)
WRONG: dict[str, tuple[str | bytes | None, list[str], str]] = {
    "no file": (None, [], "data.path=t.csv is not a file."),
    "empty": ("", [], "data.path=t.csv is empty."),
    "header only": ("a,y\n", [], "t.csv has no rows."),
    "no such target": (ROWS, ["data.target=Y_"], "data.target='Y_' is not a column of t.csv."),
    "nearest": (MIXED, ["data.target=prize"], "data.target='prize' is not a column of t.csv. Did you mean 'price'?"),
    "no such drop": (ROWS, ["data.drop=[b]"], "data.drop='b' is not a column of t.csv. It has: a, y."),
    "drop the target": (ROWS, ["data.drop=[y]"], "y is named twice among data.target"),
    "constant": ("a,y\n" + "".join(f"{i},5.5\n" for i in range(9)), [], "y is 5.5 in all rows: there is nothing to"),
    "one class": ("a,y\n" + "".join(f"{i},u\n" for i in range(9)), [], "All examples of data are of one class, u"),
    "text": (ROWS.replace("\n3.0,", "\nmany,"), [], "t.csv, row 7: a='many' is not a number"),
    "missing": (ROWS.replace("\n3.0,", "\n,"), [], "t.csv has missing values in: a (1). Say data.missing=drop"),
    "infinite": (ROWS.replace("\n3.0,", "\ninf,"), [], "t.csv, row 7: a='inf' is infinite"),
    "date": (
        rows(20, d=[f"2020-01-{1 + i:02d}" for i in range(19)] + ["soon"]),
        [],
        "t.csv, row 20: d='soon' is not a date",
    ),
    "two of a name": ("a,a,y\n1,2,3\n", [], "data.path=t.csv: two columns are named a."),
    "no name": (",a,y\n0,1,3\n1,2,5\n", [], "t.csv: column 1 has no name."),
    "ragged": (ROWS + "1,2,3,4\n", [], "row 21 has 4 fields, but the header has 2 names."),
    "ragged at once": ("a,y\n1,2,3\n", [], "data.path=t.csv: row 1 has more fields than the header has names."),
    "latin-1": (ROWS.replace("a,", "\xe5,").encode("latin-1"), [], "is no text in data.encoding=utf-8. Try data.enc"),
    "semicolons": (ROWS.replace(",", ";"), [], "Say data.separator=';'."),
    "decimal commas": (
        "a;y\n" + "".join(f"{i},5;{i},25\n" for i in range(9)),
        ["data.separator=';'"],
        "Say data.decimal=','.",
    ),
    "no features": ("y\n1\n2\n", [], "t.csv has no column but the target."),
    "names": (rows(40, who=[f"p{i}" for i in range(40)]), [], "who has 40 different texts in 40 rows"),
    "other table": (ROWS, ["data.test_path=other.csv"], "data.test_path=other.csv is another table than t.csv."),
    "split names": (
        rows(6, part=["train"] * 5 + ["dev"]),
        ["data.split_column=part"],
        "says 'dev' in t.csv, but only train, val and test are known.",
    ),
    "lonely class": (
        "a,y\n" + "".join(f"{i},{'uv'[i % 2] if i else 'w'}\n" for i in range(30)),
        ["data.stratify=true"],
        "data.stratify=true: there is one example of class w",
    ),
    "class of test alone": (
        rows(9, part=["train"] * 7 + ["val", "test"], kind=["u", "v"] * 4 + ["w"]),
        ["data.split_column=part", "data.target=kind"],
        "No training row has kind=w, which rows for val or test have.",
    ),
    "header only, large": ("a,y\n", ["data.in_memory=false", "data.cache=cache"], "t.csv has no rows."),
    "shape": (ROWS, ["data.shape=[2,2]"], "data.shape=[2, 2] holds 4 values, but t.csv has 1 features."),
    "regression of texts": (MIXED, ["data.target=city", "data.task=regression"], "city in t.csv is not numeric."),
    "fold": (ROWS, ["data.folds=5", "data.fold=7"], "data.fold=7: of data.folds=5 the last is 4, the first 0."),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_the_users_words(call, capsys, case):
    content, overrides, says = WRONG[case]
    Path("other.csv").write_text("b,y\n1,2\n")
    if content is not None:
        Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert call("train", "data=table", "data.path=t.csv", "data.target=y", *overrides) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("Error: ")
    assert len(error.strip().splitlines()) <= 2
    assert not Path("outputs").exists() or not [*Path("outputs").iterdir()]


UNFIT = {
    "a column is missing": (
        MIXED.replace("rooms", "room"),
        "new.csv has no column rooms, which the run needs. Did",
    ),
    "one is not known": (MIXED.replace("rooms", "x,rooms").replace("\n", "\n0,"), "the run knows no column x."),
    "a new category": (MIXED.replace("5,Paris", "5,Pari"), "new.csv, row 4: city='Pari' is no category that the run"),
    "another type": (MIXED.replace("5,Paris", "five,Paris"), "new.csv, row 4: rooms='five' is not a number"),
    "a missing value": (MIXED.replace("5,Paris", ",Paris"), "new.csv, row 4: rooms is missing"),
    "no file": (None, "new.csv is not a file."),
    "nothing in it": (MIXED.splitlines()[0] + "\n", "new.csv holds nothing to answer for."),
}


@pytest.fixture
def finished(train):
    Path("t.csv").write_text(MIXED.rstrip() + "\n" + MIXED.partition("\n")[2] * 4)
    train("data=table", "data.path=t.csv", "data.target=price", "name=r", "trainer.max_epochs=1", "net.hidden=[4]")


@pytest.mark.parametrize("case", UNFIT)
def test_new_rows_that_do_not_fit_are_named(finished, call, capsys, case):
    text, says = UNFIT[case]
    if text is not None:
        Path("new.csv").write_text(text.rstrip("0,") if case == "one is not known" else text)
    capsys.readouterr()
    assert call("predict", "outputs/r", "new.csv", "-o", "answers.csv") == 1
    assert says in capsys.readouterr().err
    assert not Path("answers.csv").exists()


def test_labels_that_the_run_does_not_know_are_not_scored(train, call, capsys):
    text = MIXED.rstrip() + "\n" + MIXED.partition("\n")[2] * 4
    Path("t.csv").write_text(text)
    train("data=table", "data.path=t.csv", "data.target=city", "name=r", "trainer.max_epochs=1", "net.hidden=[4]")
    Path("new.csv").write_text(text.replace("Paris", "Rome"))
    capsys.readouterr()
    assert call("evaluate", "outputs/r", "data.path=new.csv") == 1
    assert "new.csv: the run knows no city='Rome'." in capsys.readouterr().err
