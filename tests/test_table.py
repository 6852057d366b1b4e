"""Tables: from a file that a user has to examples, and what is wrong with it in the user's words."""

from __future__ import annotations

import errno
import gzip
import resource
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pandas.io.parsers import TextFileReader
from torch import Tensor

from src.console.messages import UserError
from src.datasets.contract import LearnsFromTraining, ReadsTarget, TargetKind, offer_of
from src.datasets.random_split import random_split
from src.datasets.tables.rows import RowReader
from src.datasets.tables.table import Table
from src.files.cache import locked
from tests.conftest import PROJECT
from tests.sources import source

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


def table_of(text: str | None, name: str = "t.csv", target: str | list[str] = "price", **options: Any) -> Table:
    """The Dataset of a table with this text, fitted to its training rows."""
    return split_table(text, name, target, **options)[0]


def split_table(
    text: str | None,
    name: str = "t.csv",
    target: str | list[str] = "price",
    kind: TargetKind | None = None,
    **options: Any,
) -> tuple[Table, dict[str, Tensor]]:
    """The Dataset, and its rows by split: in their order, but for what the table says itself."""
    if text is not None:
        Path(name).write_text(text)
    table = source("table", path=name, target=target, **options)
    table.read_target(kind)
    splits = random_split(len(table), [0.5, 0.25, 0.25], None, groups=table.groups, ready=table.splits)
    table.fit(splits["train"])
    return table, splits


def size(table: Table) -> int:
    """How many features a row has."""
    return len(table[0][0])


def rows(count: int, **columns: list[Any]) -> str:
    """CSV with a, 0.5 apart, and the target y, which is not."""
    table = pd.DataFrame({"a": np.arange(count) / 2, **columns, "y": np.sqrt(np.arange(count) + 0.5)})
    return table.to_csv(index=False)


def test_each_kind_of_column_becomes_features():
    table = table_of(MIXED)
    assert (table.target, table.classes, size(table)) == ("price", None, 1 + 3 + 1 + 1 + 5)
    x, y = table[3]
    assert y.tolist() == [20.75]
    assert x[:6].tolist() == [5, 0, 0, 1, 1, 9]  # rooms; Bergen, Oslo, Paris; sold; old
    days = (pd.Timestamp("2020-02-29") - pd.Timestamp("1970-01-01")).days
    year, week = 2 * np.pi * days / 365.2425, 2 * np.pi * days / 7
    expected = [days, np.sin(year), np.cos(year), np.sin(week), np.cos(week)]
    np.testing.assert_allclose(x[6:].numpy(), expected, rtol=1e-5, atol=1e-5)


def test_numbers_can_stand_for_categories():
    table = table_of(MIXED, categorical=["old"], drop=["built", "city"])
    assert size(table) == 1 + 1 + 3
    assert table[1][0].tolist() == [1, 0, 0, 1, 0]


def test_dates_in_another_order_are_read_with_their_format():
    text = "day,y\n" + "".join(f"{1 + i:02d}.02.2020 12:00,{i * i + 0.5}\n" for i in range(12))
    x, _ = table_of(text, date_format="%d.%m.%Y %H:%M", target="y")[2]
    assert x[0] == (pd.Timestamp("2020-02-03") - pd.Timestamp("1970-01-01")).days + 0.5
    assert x.shape == (7,)  # with sine and cosine of the day
    assert x[5:].tolist() == pytest.approx([0, -1], abs=1e-4)  # noon


def test_dates_of_digits_alone_are_dates_where_the_format_says_so():
    text = "day,y\n" + "".join(f"202002{1 + i:02d},{i * i + 0.5}\n" for i in range(12))
    assert size(table_of(text, target="y")) == 1
    assert size(table_of(text, target="y", date_format="%Y%m%d")) == 5


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["yes", "no"] * 10, ["no", "yes"]),
        ([True, False] * 10, ["False", "True"]),
        ([5, 3, 10, 3] * 5, ["3", "5", "10"]),
        (["b", "c", "a", "b"] * 5, ["a", "b", "c"]),
        ([*range(20)], None),
        ([1.5, 2.5] * 10, None),
    ],
    ids=str,
)
def test_the_kind_of_target_follows_from_its_values(values, classes):
    table = table_of(pd.DataFrame({"x": range(20), "y": values}).to_csv(index=False), target="y")
    assert table.classes == classes
    if classes:
        assert [classes[k] for k in table.y] == [str(value) for value in values]
        assert table.labels is table.y
    else:
        assert table.y.tolist() == [[value] for value in values]


def test_the_task_may_know_the_kind_better():
    table = table_of(MIXED, target="old", kind="values")
    assert (table.classes, table.y[:2].tolist()) == (None, [[7], [8]])
    table = table_of(rows(80, n=[i % 30 for i in range(80)]), target="n", kind="class")
    assert (len(table.classes or []), table.y[:2].tolist()) == (30, [0, 1])


@pytest.mark.parametrize("target", ["a", ["a", "b", "c"]])
def test_columns_of_zeros_and_ones_are_labels(target):
    text = "x,a,b,c\n" + "".join(f"{i},{i % 2},{'TRUE' if i % 3 else 'false'},{float(i > 4)}\n" for i in range(8))
    table = table_of(text, target=target, kind="labels")
    names = [target] if isinstance(target, str) else target
    assert (table.targets, table.classes, table.labels, table.y.dtype) == (names, None, None, torch.float32)
    assert table.y[1].tolist() == [1, 1, 0][: len(names)]
    assert table.y.shape == (8, len(names))


@pytest.mark.parametrize(
    ("target", "kind", "says"),
    [
        ("city", "values", "city in t.csv is not numeric: this is no regression."),
        (["price", "city"], None, "city in t.csv is not numeric: this is no regression."),
        ("built", None, "target=built holds dates in t.csv. Make it a number, such as days."),
        (["price", "old"], "class", "target=['price', 'old']: a class stands in one column, not in 2."),
        (["sold", "old"], "labels", "old in t.csv holds 7, but a label is 1 (it applies) or 0 (it does not)."),
        ("price", "labels", "price in t.csv holds 10.5, but a label is 1"),
        ("city", "labels", "city in t.csv holds 'Oslo', but a label is 1"),
    ],
    ids=str,
)
def test_a_target_of_another_kind_is_refused(target, kind, says):
    with pytest.raises(UserError) as error:
        table_of(MIXED, target=target, kind=kind)
    assert says in str(error.value)


@pytest.mark.parametrize(("count", "dtype"), [(2, torch.int8), (127, torch.int8), (128, torch.int16)])
def test_the_classes_of_a_table_on_disk_take_a_byte_or_two(count, dtype, monkeypatch):
    monkeypatch.setattr("src.datasets.tables.numeric.BLOCK", 300)
    monkeypatch.setattr("src.datasets.tables.target.BLOCK", 300)
    numbers = torch.randint(count, (1000,), generator=torch.Generator().manual_seed(0)).tolist()
    names = [f"c{number:03d}" for number in [*numbers, *range(count)]]
    text = "x,y\n" + "".join(f"{row % 7},{name}\n" for row, name in enumerate(names))
    disk, memory = table_of(text, target="y", in_memory=False, cache="cache"), table_of(None, target="y")
    assert (disk.y.dtype, memory.y.dtype, disk.__getitems__([3, 5])[1].dtype) == (dtype, torch.int64, torch.int64)
    classes = sorted(set(names))
    assert disk.classes == memory.classes == classes
    assert [classes[number] for number in disk.__getitems__([*range(len(names))])[1]] == names
    known = [*classes[::-1], "another"]  # of a finished run
    for table in (disk, memory):
        table.read_target("class", known)
        assert [known[number] for number in table.__getitems__([*range(len(names))])[1]] == names
    assert disk.y.dtype == (torch.int8 if count == 2 else torch.int16)


@pytest.mark.parametrize("options", [{}, {"in_memory": False, "cache": "cache"}])
def test_few_new_rows_are_what_they_were_in_training_whatever_they_look_like(options):
    sizes, towns = ["1", "2", "3+"] * 30, [f"t{i % 30}" for i in range(90)]
    table = table_of(rows(90, size=sizes, town=towns), **options, target="y")
    assert table.reader is not None
    Path("new.csv").write_text("town,y,a,size\n" + "".join(f"t{i},3,{i},2\n" for i in range(30)))
    new = source("table", path="new.csv", target="y", **options)
    new.restore(table.reader)
    new.read_target("values")
    x, y = new[4]
    assert (new.reader["columns"], y.tolist(), x.shape) == (table.reader["columns"], [3.0], table[0][0].shape)
    assert x[:4].tolist() == [4, 0, 1, 0]
    assert x.nonzero()[:, 0].tolist() == [0, 2, 4 + sorted(set(towns)).index("t4")]


def test_a_finished_run_numbers_the_classes_of_new_rows():
    table = source("table", path=table_of(MIXED, target="city").tables["train"].name, target="city")
    table.read_target("class", ["Paris", "Rome", "Oslo", "Bergen"])
    assert table.y[:4].tolist() == [2, 3, 2, 0]
    assert table.labels is table.y
    with pytest.raises(UserError, match=r"^t.csv: the run knows no city 'Bergen'. It knows: Paris, Oslo.$"):
        table.read_target("class", ["Paris", "Oslo"])


def test_a_run_that_learnt_from_no_table_is_told():
    table = source("table", path=table_of(MIXED).tables["train"].name, target="price")
    with pytest.raises(UserError, match=r"t.csv is a table, but the run has learnt from none"):
        table.restore({"size": 8, "channels": 3})


def test_it_offers_what_the_contract_says():
    assert table_of(MIXED, group_column="city").classes is None
    table = source("table", path="t.csv", target="city", group_column="old")
    assert isinstance(table, ReadsTarget)
    assert isinstance(table, LearnsFromTraining)  # before it has learnt anything
    table.read_target(None)
    offer = offer_of(table)
    assert (offer.fetches_batches, offer.classes, offer.target) == (True, ["Bergen", "Oslo", "Paris"], "city")
    assert (offer.targets, offer.splits, offer.augmented) == (["city"], {}, None)
    assert offer.groups is not None
    assert offer.groups.tolist() == [0, 1, 0, 2, 1, 0, 0, 1]


def test_several_targets_are_several_values():
    table = table_of(MIXED, target=["price", "rooms"])
    assert (table.classes, table.target, table.targets) == (None, "price, rooms", ["price", "rooms"])
    assert table.y[0].tolist() == [10.5, 3]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.parquet", "t;.csv"])
def test_all_kinds_of_files_hold_the_same(name):
    expected = table_of(MIXED)
    frame = pd.read_csv("t.csv")
    if name.endswith(".parquet"):
        frame.assign(built=pd.to_datetime(frame.built)).to_parquet(name)
    else:
        separator = {"t.tsv": "\t", "t;.csv": ";"}.get(name, ",")
        frame.to_csv(name, sep=separator, decimal="," if separator == ";" else ".", index=False)
    table = table_of(None, name, **({"separator": ";", "decimal": ","} if ";" in name else {}))
    assert torch.equal(table.x, expected.x)  # pyrefly: ignore[bad-argument-type]
    assert torch.equal(table.y, expected.y)


def test_a_table_is_read_from_an_address(site, folder):
    (folder / "t.csv").write_text(MIXED)
    there = table_of(None, f"{site}/t.csv", cache="cache")
    assert torch.equal(there.y, table_of(MIXED).y)


def test_what_is_filled_in_is_learnt_from_the_training_rows_alone():
    text = "a,c,y\n1,u,0.5\n,u,1.5\n3,,2.25\n5,v,3.5\n100,v,4.5\n100,v,5.5\n100,v,6.5\n,w,7.5\n"
    table, splits = split_table(text, missing="impute", target="y")
    assert len(splits["train"]) == 4
    assert table[1][0].tolist() == [3, 1, 1, 0]  # the mean of 1, 3 and 5, and that it is missing
    assert table[2][0].tolist() == [3, 0, 0, 0]  # none of u and v
    assert table[7][0].tolist() == [3, 1, 0, 0]  # no training row has w


def test_what_is_missing_in_later_rows_only_is_filled_in_without_a_word():
    """The net cannot have learnt what it means."""
    text = "a,c,y\n1,u,0.5\n2,u,1.5\n3,v,2.25\n6,u,3.5\n,,4.5\n1,v,5.5\n,,6.5\n2,v,7.5\n"
    table, splits = split_table(text, missing="impute", target="y")
    assert not set(splits["train"].tolist()) & {4, 6}
    assert table[4][0].tolist() == [3, 1, 0]


def test_each_kind_of_column_says_where_it_is_missing():
    header = "number,amount,day,sold,town,y"
    holes = ["1,$5,2020-01-01,true,u", "2,$6,2020-01-02,false,v", ",,,,"]
    lines = [f"{holes[i % 3]},{i + 0.5}" for i in range(30)]
    table = table_of("\n".join([header, *lines]), missing="impute", target="y")
    whole, missing = table[0][0], table[2][0]
    assert [c["indicator"] for c in table.columns or []] == [True, True, True, True, False]
    assert len(whole) == 2 + 2 + 6 + 2 + 2
    assert (missing - whole)[[1, 3, 5, 11]].tolist() == [1, 1, 1, 1]
    assert whole[[1, 3, 5, 11]].tolist() == [0, 0, 0, 0]
    assert missing[12:].tolist() == [0, 0]


def test_a_shape_leaves_no_room_for_what_is_missing():
    text = "\n".join(["a,b,c,d,y", *(f"{i if i % 3 else ''},2,3,{i},{i + 0.5}" for i in range(30))])
    assert table_of(text, missing="impute", target="y", shape=[2, 2])[0][0].shape == (2, 2)


def test_what_is_learnt_is_learnt_from_all_blocks_of_rows(monkeypatch):
    monkeypatch.setattr("src.datasets.tables.numeric.BLOCK", 3)
    lines = [f"{i if i else ''},2020-01-{10 + i}{'T18:30' if i == 1 else ''},{i + 0.5}" for i in range(20)]
    table = table_of("\n".join(["a,day,y", *lines]), missing="impute", target="y")
    assert size(table) == 2 + 7  # the first row lacks a, and of the second row alone the day has a time
    assert table[0][0][0] == 5  # the mean of 1 to 9


def test_rows_without_a_target_are_left_out_whatever_becomes_of_the_others(capsys):
    table = table_of("a,y\n1,0.5\n2,\n,3.5\n4,6.5\n6,1.5\n", missing="impute", target="y")
    assert table.y[:, 0].tolist() == [0.5, 3.5, 6.5, 1.5]
    assert "missing=impute: 1 of 5 rows were left out, where y is missing." in capsys.readouterr().err


def test_a_row_of_another_file_is_counted_in_that_file():
    Path("more.csv").write_text("a,y\n1,0.5\n2,0.25\nmany,3.5\n")
    with pytest.raises(UserError, match=r"more\.csv, row 3: a is 'many'"):
        table_of(ROWS, target="y", test_path="more.csv")


def test_rows_with_missing_values_can_be_left_out(capsys):
    table = table_of("a,y\n1,0.5\n,1.5\n3,\n4,3.5\n5,6.5\n6,1.5\n", missing="drop", target="y")
    assert table.y[:, 0].tolist() == [0.5, 3.5, 6.5, 1.5]
    assert "missing=drop: 2 of 6 rows were left out." in capsys.readouterr().err


def test_a_category_of_val_alone_is_told(capsys):
    table_of(MIXED.replace("3,Bergen,true,8,2002", "3,Rome,true,8,2002"))
    assert "city: no training row has 'Rome'." in capsys.readouterr().err


def test_a_split_that_is_the_training_file_again_is_told(capsys):
    table_of(ROWS, target="y", test_path="./t.csv")
    assert "test_path=./t.csv is the file of path= too" in capsys.readouterr().err


def test_files_of_their_own_and_a_column_make_the_splits():
    Path("test.csv").write_text(MIXED.splitlines()[0] + "\n" + MIXED.splitlines()[3] + "\n")
    table, splits = split_table(MIXED, test_path="test.csv")
    assert splits["test"].tolist() == [8]
    assert torch.equal(table[8][0], table[2][0])
    text = rows(9, part=["train", "val", "test", *["train"] * 6])
    table, splits = split_table(text, split_column="part", target="y")
    assert [len(indices) for indices in splits.values()] == [7, 1, 1]
    assert size(table) == 1


def test_groups_stay_together_and_are_no_feature():
    table, splits = split_table(rows(40, who=[f"p{i % 10}" for i in range(40)]), group_column="who", target="y")
    groups = [{int(i) % 10 for i in indices} for indices in splits.values()]
    assert sum(map(len, groups)) == 10
    assert size(table) == 1


@pytest.mark.quick
def test_a_table_on_disk_gives_what_one_in_memory_gives(monkeypatch):
    text = "".join([MIXED, *[MIXED.partition("\n")[2]] * 50])
    monkeypatch.setattr("src.datasets.tables.rows.CHUNK", 2000)
    monkeypatch.setattr("src.datasets.tables.conversion.CHUNK", 2000)
    on_disk: dict[str, Any] = {"in_memory": False, "cache": "cache", "target": "city"}
    memory, disk = table_of(text, target="city"), table_of(None, **on_disk)
    assert (memory.x is None, disk.x is None) == (False, True)
    indices = torch.randperm(len(memory), generator=torch.Generator().manual_seed(0)).tolist()
    for a, b in zip(memory.__getitems__(indices), disk.__getitems__(indices), strict=True):
        assert torch.equal(a, b)
    assert memory.reader == disk.reader
    [place] = Path("cache/tables").glob("*/features.bin")
    made = place.stat().st_mtime_ns
    table_of(None, **on_disk)
    assert place.stat().st_mtime_ns == made  # the second start does not convert
    table_of(text + "1,Oslo,true,7,1999-02-28,3.25\n", **on_disk)
    assert len([*Path("cache/tables").glob("*/features.bin")]) == 2  # another file, another conversion


def test_a_chunk_of_a_large_file_and_what_it_has_become_are_gone_before_the_next_is_read(monkeypatch):
    monkeypatch.setattr("src.datasets.tables.rows.CHUNK", 2000)
    monkeypatch.setattr("src.datasets.tables.conversion.CHUNK", 2000)
    made, alive = list[Any](), list[int]()

    def watched(function):
        def call(*args, **options):
            if function is read:
                alive.append(sum(reference() is not None for reference in made))
            made.append(weakref.ref(result := function(*args, **options)))
            return result

        return call

    read = TextFileReader.get_chunk
    monkeypatch.setattr(TextFileReader, "get_chunk", watched(read))
    monkeypatch.setattr(RowReader, "_numbers", watched(RowReader._numbers))
    table_of(MIXED + MIXED.partition("\n")[2] * 50, in_memory=False, cache="cache")
    assert (len(alive) > 4, set(alive)) == (True, {0})


@pytest.mark.parametrize(
    "change",
    [
        {"target": "rooms"},
        {"target": ["price", "rooms"]},
        {"drop": ["city"]},
        {"categorical": ["old"]},
        {"missing": "drop"},
        {"date_format": "%Y-%m-%d"},
        {"group_column": "city"},
    ],
    ids=str,
)
def test_a_table_on_disk_is_read_anew_for_another_purpose(change):
    """An older conversion of the same file is not taken for it."""
    text = MIXED.replace("5,Paris", ",Paris")
    options: dict[str, Any] = {"target": "price", "missing": "impute", "in_memory": False, "cache": "cache"}
    table_of(text, **options)
    disk, memory = table_of(None, **options | change), table_of(None, **options | change | {"in_memory": True})
    rows = list(range(len(memory)))
    assert len(disk) == len(memory)
    for a, b in zip(disk.__getitems__(rows), memory.__getitems__(rows), strict=True):
        assert torch.equal(a, b)
    assert (disk.reader, disk.targets) == (memory.reader, memory.targets)


CONVERT = """
import sys
sys.path.insert(0, {project!r})
from tests.sources import source
print(len(source("table", path="big.csv", target="y", in_memory=False, cache="cache")))
"""


def start_conversion() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CONVERT.format(project=str(PROJECT))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def converting() -> subprocess.Popen[str]:
    """A process in the midst of its conversion."""
    started, process = time.time(), start_conversion()
    while True:
        with suppress(FileNotFoundError):  # what a killed one has left goes away meanwhile
            if any(p.stat().st_mtime > started for p in Path("cache/tables").glob(".partial.*/features.bin")):
                return process
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_a_conversion_that_is_killed_is_never_taken_for_a_whole_one():
    """And of two at once, one converts."""
    Path("big.csv").write_text(rows(500_000))
    killed = converting()
    killed.kill()
    killed.communicate()
    assert not [*Path("cache/tables").glob("*/columns.json")]
    first = converting()
    first.send_signal(signal.SIGSTOP)
    second = start_conversion()
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    first.send_signal(signal.SIGCONT)
    assert [process.communicate(timeout=120)[0] for process in (first, second)] == ["500000\n"] * 2
    assert [path.suffix for path in sorted(Path("cache/tables").iterdir())] == ["", ".lock"]


def test_a_full_disk_is_told_and_left_as_it_was(monkeypatch):
    def full(self: RowReader, size: int) -> Iterator[Any]:
        yield np.zeros((5, 1)), np.zeros((5, 1)), 0.5
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RowReader, "matrices", full)
    with pytest.raises(UserError, match=r"^path=t\.csv is converted in cache/tables, where .* GB are free; it needs"):
        table_of(MIXED, in_memory=False, cache="cache")
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
    "text": (ROWS.replace("\n3.0,", "\nmany,"), [], "t.csv, row 7: a is 'many', which is not a number"),
    "missing": (ROWS.replace("\n3.0,", "\n,"), [], "t.csv has missing values in: a (1). Say data.missing=drop"),
    "infinite": (ROWS.replace("\n3.0,", "\ninf,"), [], "t.csv, row 7: a is 'inf', which is infinite"),
    "date": (
        rows(20, d=[f"2020-01-{1 + i:02d}" for i in range(19)] + ["soon"]),
        [],
        "t.csv, row 20: d is 'soon', which is not a date",
    ),
    "two of a name": ("a,a,y\n1,2,3\n", [], "data.path=t.csv: two columns are named a."),
    "two numbers for names": ("0,0,1\n1,2,3\n", [], "named 0. Those are numbers: is there no line of names? Write one"),
    "names of rows": (
        "a,y\n" + "".join(f"r{i},{i},{i}\n" for i in range(9)),
        [],
        "as R writes it, name that too: cat t.csv | sed '1s/^/row,/' > table.csv",
    ),
    "blanks": (" a  y\n" + "".join(f"  {i}   {i}.5 \n" for i in range(9)), [], "Say data.separator=' '."),
    "no value of the target": (
        "a,y\n" + "".join(f"{i},\n" for i in range(9)),
        [],
        "y, which no row can do without: there is no value at all.",
    ),
    "no name": (",a,y\n0,1,3\n1,2,5\n", [], "t.csv: column 1 has no name."),
    "no names": (
        "a,,y,\n0,1,3,2\n1,2,5,2\n",
        ["data.drop=[a]"],
        "column 2 has no name. Name it, or leave it out: \"data.drop=['a','Unnamed: 1','Unnamed: 3']\".",
    ),
    "nothing to fill in with": (
        "a,b c,d,y\n" + "".join(f",,{i},{i}.5\n" for i in range(20)),
        ["data.missing=impute", "data.drop=[d]"],
        "a, b c without a value in the training rows. Say \"data.drop=['d','a','b c']\".",
    ),
    "ragged": (ROWS + "1,2,3,4\n", [], "row 21 has 4 fields, but the header has 2 names."),
    "ragged at once": ("a,y\n1,2,3\n", [], "data.path=t.csv: row 1 has more fields than the header has names."),
    "latin-1": (
        ROWS.replace("a,", "\xe5,").encode("latin-1"),
        ["data.encoding=utf-8"],
        "is no text in data.encoding=utf-8. Try data.enc",
    ),
    "semicolons": (ROWS.replace(",", ";"), ["data.separator=','"], "Say data.separator=';'."),
    "decimal commas": (
        "a;y\n" + "".join(f"{i},5;{i},25\n" for i in range(9)),
        ["data.separator=';'", "data.decimal='.'"],
        "t.csv: a holds '0,5', which is no number with data.decimal='.'.",
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
        "No training row has kind w, which rows for val or test have.",
    ),
    "header only, to impute": ("a,y\n", ["data.missing=impute"], "t.csv has no rows.\n"),
    "header only, large": ("a,y\n", ["data.in_memory=false", "data.cache=cache"], "t.csv has no rows."),
    "shape": (ROWS, ["data.shape=[2,2]"], "data.shape=[2, 2] holds 4 values, but t.csv has 1 features."),
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
    "another type": (MIXED.replace("5,Paris", "five,Paris"), "new.csv, row 4: rooms is 'five', which is not a number"),
    "a missing value": (
        MIXED.replace("5,Paris", ",Paris"),
        "new.csv, row 4: rooms is missing, and the run has learnt from whole rows only. Fill it in, or train with "
        "data.missing=impute.",
    ),
    "no file": (None, "new.csv is not a file."),
    "nothing in it": (MIXED.splitlines()[0] + "\n", "new.csv holds nothing to predict from."),
}


@pytest.fixture
def finished(train):
    Path("t.csv").write_text(MIXED.rstrip() + "\n" + MIXED.partition("\n")[2] * 4)
    train("data=table", "data.path=t.csv", "data.target=price", "name=r", "trainer.max_epochs=1", "net.hidden=[4]")


@pytest.mark.parametrize("case", UNFIT)
def test_new_rows_that_do_not_fit_are_named(finished, call, capsys, case):
    text, says = UNFIT[case]
    if text is not None:
        Path("new.csv").write_text(text)
    capsys.readouterr()
    assert call("predict", "outputs/r", "new.csv", "-o", "answers.csv") == 1
    assert says in capsys.readouterr().err
    assert not Path("answers.csv").exists()


def test_a_row_far_down_is_counted_from_the_first(finished, call, capsys, monkeypatch):
    monkeypatch.setattr("src.datasets.tables.reader.ROWS", 3)
    rows = MIXED.splitlines()
    Path("new.csv").write_text("\n".join([*rows[:7], rows[7].replace("1,Oslo", ",Oslo"), rows[8]]) + "\n")
    assert call("predict", "outputs/r", "new.csv", "-o", "answers.csv", "data.batch_size=2") == 1
    assert "new.csv, row 7: rooms is missing" in capsys.readouterr().err


def test_labels_that_the_run_does_not_know_are_not_scored(train, call, capsys):
    text = MIXED.rstrip() + "\n" + MIXED.partition("\n")[2] * 4
    Path("t.csv").write_text(text)
    train("data=table", "data.path=t.csv", "data.target=city", "name=r", "trainer.max_epochs=1", "net.hidden=[4]")
    Path("new.csv").write_text(text.replace("Paris", "Rome"))
    capsys.readouterr()
    assert call("evaluate", "outputs/r", "data.path=new.csv") == 1
    assert "new.csv: the run knows no city 'Rome'." in capsys.readouterr().err
    Path("new.csv").write_text(text.replace("\n1,", "\nmany,"))
    assert call("evaluate", "outputs/r", "data.path=new.csv") == 1  # how it is read was settled when it was trained
    assert capsys.readouterr().err.endswith("rooms is 'many', which is not a number, as others there.\n")


def damage(how: str) -> None:
    """Of the one conversion that there is."""
    [place] = [path for path in Path("cache/tables").iterdir() if path.is_dir()]
    name = how.partition(" ")[0]
    content = bytearray((place / name).read_bytes())
    if how.endswith("flipped"):
        content[len(content) // 2] ^= 1
    elif how.endswith("letter"):
        content = bytearray(bytes(content).replace(b"Oslo", b"Osla", 1))
    elif how.endswith("missing"):
        (place / name).unlink()
        return
    else:
        content = content[: 0 if how.endswith("empty") else len(content) // 2]
    (place / name).write_bytes(content)


@pytest.mark.parametrize(
    "how",
    [
        *(
            f"{name} {what}"
            for name in ("features.bin", "non_features.bin")
            for what in ("short", "flipped", "missing")
        ),
        *(f"summary.json {what}" for what in ("short", "empty", "letter", "missing")),
    ],
)
def test_a_damaged_conversion_is_made_anew(how, capsys):
    on_disk: dict[str, Any] = {"in_memory": False, "cache": "cache", "target": "city"}
    whole = table_of(MIXED, **on_disk)
    capsys.readouterr()
    damage(how)
    mended = table_of(None, **on_disk)
    assert "The conversion of t.csv in cache/tables/" in capsys.readouterr().err
    assert mended.fingerprint() == whole.fingerprint() == table_of(None, target="city").fingerprint()
    for a, b in zip(mended.__getitems__([0, 1]), whole.__getitems__([0, 1]), strict=True):
        assert torch.equal(a, b)
    table_of(None, **on_disk)
    assert capsys.readouterr().err == ""


def test_what_a_killed_conversion_has_left_goes_away_but_not_what_one_is_writing():
    Path("cache/tables/.partial.abandoned").mkdir(parents=True)
    Path("cache/tables/.partial.busy").mkdir()
    with locked(Path("cache/tables/busy.lock")):
        table_of(MIXED, target="city", in_memory=False, cache="cache")
        assert [path.name for path in Path("cache/tables").glob(".partial.*")] == [".partial.busy"]


def test_a_line_that_would_fill_the_memory_is_refused(call, capsys):
    """A megabyte of gzip is a field of 300 MB."""
    with gzip.open("big.csv.gz", "wb", 1) as file:
        file.write(b"x,y\n1,2\n3,")
        for _ in range(300):
            file.write(b"4" * 10**6)
    assert Path("big.csv.gz").stat().st_size < 2_000_000
    command = ["data=table", "data.path=big.csv.gz", "data.target=y", "data.cache=cache"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert call("train", *command) == 1
    said = "data.path=big.csv.gz: line 3 has more than data.max_line=64000000 bytes. Is it a table, with a line"
    assert said in capsys.readouterr().err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 280_000  # KiB
    assert call("train", *command, "data.max_line=1000") == 1
    assert "has more than data.max_line=1000 bytes" in capsys.readouterr().err


def test_a_name_that_begins_with_a_tilde_is_none_of_a_user():
    assert len(table_of(ROWS, name="~no one.csv", target="y")) == 20


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_many_lines_are_no_long_one(end):
    Path("t.csv").write_bytes(rows(30_000).replace("\n", end).encode())
    assert len(table_of(None, max_line=70_000, target="y")) == 30_000


def test_a_gzipped_table_that_is_larger_than_it_looks_is_converted(monkeypatch):
    monkeypatch.setattr("src.datasets.tables.read.LARGE", 30_000)
    with gzip.open("t.csv.gz", "wt") as file:
        file.write("x,y\n" + "1,2\n" * 10_000 + "2,3\n")
    assert Path("t.csv.gz").stat().st_size < 1000
    assert table_of(None, name="t.csv.gz", target="y", cache="cache").cache == Path("cache")


@pytest.mark.slow
def test_a_wide_table_is_read_in_seconds(call, capsys):
    """60 000 columns; it took minutes before a mistake was told."""
    names = [f"c{i}" for i in range(60_000)]
    values = ",".join(["0.5"] * 60_000)
    Path("wide.csv").write_text("\n".join([",".join([*names, "y"]), *[f"{values},{i}" for i in range(8)], ""]))
    started = time.process_time()
    assert len(table_of(None, name="wide.csv", target="y")) == 8
    assert call("train", "data=table", "data.path=wide.csv", "data.target=z") == 1
    assert "data.target='z' is not a column of wide.csv." in capsys.readouterr().err
    Path("wide.csv").write_text("\n".join([",".join([*names[:-1], "c7", "y"]), f"{values},1", ""]))
    with pytest.raises(UserError, match=r"two columns are named c7\."):
        table_of(None, name="wide.csv", target="y")
    assert time.process_time() - started < 60
