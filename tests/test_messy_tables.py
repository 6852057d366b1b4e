"""Tables as people export them: read as the clean table is, or refused in words that say what was seen."""

from __future__ import annotations

import bz2
import gzip
import math
import os
import pickle
import re
import resource
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from src.console.messages import UserError
from src.datasets.tables import TableReader
from src.datasets.tables.files.sniffing import lines_above
from src.datasets.tables.table import Table
from tests.conftest import PROJECT
from tests.sources import source
from tests.test_table import rows, table_of

AMOUNTS = [round(float(v), 2) for v in np.random.default_rng(0).uniform(100, 2_000_000, 40)]
COUNTS = [int(v) for v in AMOUNTS]


def x_of(table: Table) -> Tensor:
    """That of all rows, which are held in memory."""
    assert table.x is not None
    return table.x


def german(value: float, digits: int = 2) -> str:
    """1.234,50"""
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


WRITTEN: dict[str, tuple[Callable[[Any], str], list[Any], str]] = {
    "dollars": (lambda v: f"${v:,.2f}", AMOUNTS, "x: numbers with $ and thousands (40 of 40)"),
    "whole dollars": (lambda v: f"$ {v}", COUNTS, "x: numbers with $ (40 of 40)"),
    "euros": (lambda v: f"{german(v)} €", AMOUNTS, "x: numbers with € and thousands and a decimal comma (40 of 40)"),
    "a code": (lambda v: f"EUR {german(v)}", AMOUNTS, "x: numbers with EUR and thousands and a decimal comma"),
    "percent": (lambda v: f"{v / 1000:g}%".replace("e", "E"), COUNTS, "x: numbers with % (40 of 40)"),
    "commas": (lambda v: f"{v:,}", COUNTS, "x: numbers with thousands (40 of 40)"),
    "spaces": (lambda v: f"{v:,}".replace(",", " "), COUNTS, "x: numbers with thousands (40 of 40)"),
    "narrow spaces": (lambda v: f"{v:,}".replace(",", "\u202f"), COUNTS, "x: numbers with thousands (40 of 40)"),
    "apostrophes": (lambda v: f"{v:,}".replace(",", "'"), COUNTS, "x: numbers with thousands (40 of 40)"),
    "lakhs": (lambda v: f"{v // 100000},{v % 100000 // 1000:02},{v % 1000:03}", [v + 10**5 for v in COUNTS], "s"),
    "a rate": (lambda v: f"{v} l/100km", COUNTS, "x: numbers with l/100km (40 of 40)"),
    "a unit": (lambda v: f"{v} km", COUNTS, "x: numbers with km (40 of 40)"),
    "decimal commas": (lambda v: f"{v:.2f}".replace(".", ","), AMOUNTS, "x: numbers with a decimal comma (40 of 40)"),
    "brackets": (lambda v: f"({-v:,})" if v < 0 else f"{v:,}", [-v for v in COUNTS], "x: numbers with thousands"),
    "times": (
        lambda v: f"{v // 3600}:{v // 60 % 60:02}:{v % 60:02}", COUNTS, "x: times as h:mm:ss, in seconds (40 of 40)"
    ),
    "short times": (lambda v: f"{v // 60}:{v % 60:02}", COUNTS, "x: times as m:ss, in seconds (or h:mm, in minutes)"),
    "a pace": (lambda v: f"{v // 60}:{v % 60:02} min/km", COUNTS, "x: times as m:ss, in seconds (or h:mm, in minutes)"),
    "time deltas": (lambda v: str(pd.Timedelta(v, "s")), COUNTS, "x: times as h:mm:ss, in seconds (40 of 40)"),
    "a few with decimals": (lambda v: f"{v}cwt", [0.0, 0.2, 0.4, 0.6] * 10, "x: numbers with cwt (40 of 40)"),
    "a minus of powers": (
        lambda v: f"{v:e}".replace("-", "\u2212"),
        [float(f"{i + 1}e-7") for i in range(40)],
        "x: numbers with another minus",
    ),
    "formulas": (lambda v: f'="{v}"', AMOUNTS, 'x: numbers with =" and "'),
    "an apostrophe in front": (lambda v: f"'{v}", AMOUNTS, "x: numbers with '"),
    "a dash for a minus": (lambda v: f"\u2013{-v}", [-v for v in AMOUNTS], "x: numbers with another minus"),
    "plain brackets": (lambda v: f"({-v})", [-v for v in AMOUNTS], "x: numbers with another minus"),
    "another minus": (lambda v: f"\u2212{-v:,}", [-v for v in COUNTS], "x: numbers with thousands (40 of 40)"),
}  # fmt: skip


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("target", ["y", "x"])
def test_numbers_are_read_however_they_are_written(how, target, capsys):
    """As a feature, and as a target: x and y are those of the clean table."""
    write, values, says = WRITTEN[how]
    texts = [write(value) for value in values]
    clean = [float(t.rstrip("%")) for t in texts] if how == "percent" else values
    expected = table_of(rows(40, x=clean), target=target)
    capsys.readouterr()
    table = table_of(rows(40, x=texts), target=target)
    assert says in capsys.readouterr().err
    assert table.classes is None
    for part in ("x", "y"):
        assert torch.equal(getattr(table, part), getattr(expected, part))


def test_times_are_in_the_signature_and_in_new_rows():
    def reader(target: str) -> TableReader:
        table = table_of(rows(40, x=[f"{v % 60}:{v % 59:02}" for v in COUNTS]), target=target)
        assert table.reader is not None
        return TableReader(**{name: fact for name, fact in table.reader.items() if name != "_target_"})

    Path("new.csv").write_text("a,x,y\n0,1:02:03,4\n1,2:05,4\n")
    assert [column.get("times") for column in reader("y").signature()["columns"]] == [None, "m:ss"]
    assert next(reader("y").read("new.csv", 10, None))[1][:, 1].tolist() == [3723, 125]
    assert next(reader("x").read("new.csv", 10, None))[0]["x"].tolist() == [3723, 125]


def test_a_target_of_few_percents_is_a_regression():
    table = table_of(rows(40, x=[f"{i % 7}%" for i in range(40)]), target="x")
    assert (table.classes, table.y[:3].tolist()) == (None, [[0.0], [1.0], [2.0]])


@pytest.mark.parametrize(
    "texts",
    [
        ["3G", "4G", "5G", "4G"],
        ["p1", "p2", "p3", "p1"],
        ["1-5", "6-10", "1-5", "10+"],
        ["5 km", "500 m", "2 km", "800 m"],
        ["1.2.3", "1.10", "1.2.3", "2.0"],
        ["10:30", "11:45", "10:30", "09:15"],
        ["2:1", "0:3", "1:1", "4:2"],
        ["1:30 PM", "2:45 PM", "3:15 PM", "4:30 PM", "9:00 AM", "9:15 AM", "10:20 AM", "11:05 AM"],
        ["A", "B", "A", "1"],
        ["1. North", "2. South", "3. East", "1. North"],
        ["1 and 2", "3", "4", "5", "6", "7", "8", "9", "10"],
    ],
    ids=str,
)
def test_what_is_no_number_stays_a_category(texts, capsys):
    table = table_of(rows(10 * len(texts), x=texts * 10), target="y")
    assert len(table[0][0]) == 1 + len(set(texts))
    assert "x:" not in capsys.readouterr().err


def test_a_letter_behind_one_of_many_numbers_is_no_unit():
    texts = [f"{i + 1:03}" for i in range(40)]
    with pytest.raises(UserError, match=r"x is '136A', which is not a number, .* say categorical=\[x\]"):
        table_of(rows(40, x=[*texts[:30], "136A", *texts[31:]]), target="y")


UNDECIDED = {
    "one mark is both": (["1,5", "2.5"] * 20, "x holds '2.5' and '1,5', in which the decimal mark is not the same."),
    "long numbers": (["7,730", "1500"] * 20, "x holds '7,730', in which ',' may stand before decimals or thousands"),
    "points": (["1.234 €", "5.678 €"] * 20, "x holds '1.234 €', in which '.' may stand before decimals or thousands"),
}


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_the_values_do_not_decide_is_asked_for(case, call, capsys):
    texts, says = UNDECIDED[case]
    pd.DataFrame({"a": np.arange(40), "x": texts, "y": np.arange(40) ** 2}).to_csv("t.csv", index=False)
    command = ["train", "data=table", "data.path=t.csv", "data.target=y", "trainer.max_epochs=1", "net.hidden=[4]"]
    assert call(*command) == 1
    said = capsys.readouterr().err
    assert f"t.csv: {says}" in said
    if "Say" in said:
        assert """Say "data.decimal={x:'.'}" or "data.decimal={x:','}".""" in said
        small, large = (float(texts[0].split()[0].replace(",", ".")) * factor for factor in (1, 1000))
        for mark, value in zip(".,", [large, small] if "," in texts[0] else [small, large], strict=True):
            assert call(*command, f"data.decimal={{x:'{mark}'}}") == 0
            assert table_of(None, target="y", decimal={"x": mark})[0][0][1].item() == pytest.approx(value)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_finished_run_reads_new_rows_as_its_own(in_memory, tmp_path):
    """One new row alone would be read otherwise: 1.234 has three digits behind a point."""
    options: dict[str, Any] = {"in_memory": in_memory, "cache": "cache", "target": "y"}
    table = table_of(rows(40, x=[f"{german(v)} €" for v in AMOUNTS]), **options)
    Path("new.csv").write_text("x,a,y\n1.234 €,0.5,1.5\n1234,1.5,2\n")
    new = source("table", path="new.csv", **options)
    new.restore(table.reader)
    new.read_target("values")
    assert new.__getitems__([0, 1])[0][:, 1].tolist() == [1234, 1234]
    again = source("table", path="t.csv", **options)
    again.restore(table.reader)
    again.read_target("values")
    assert again.fingerprint() == table.fingerprint()
    assert len([*Path("cache").glob("tables/*/features.bin")]) == (0 if in_memory else 2)  # t.csv is converted once


def test_a_mark_that_the_user_has_said_is_not_guessed_at():
    with pytest.raises(
        UserError, match=r"t\.csv: x holds '1\.5 €', which is no number with decimal=','\. Without decimal"
    ):
        table_of(
            "x;y\n" + "".join(f"1.5 €;{i}\n2,5 €;{i}\n" for i in range(40)), "t.csv", "y", separator=";", decimal=","
        )
    with pytest.raises(UserError, match=r"decimal='X' is not a column of t\.csv\. Did you mean 'x'\?"):
        table_of(None, target="y", decimal={"X": ","})


def test_new_rows_may_have_another_decimal_mark_and_none_that_are_missing(train, call, capsys):
    numbers = pd.DataFrame({"x": [i / 8 for i in range(40)], "n": range(40), "y": [i * i % 17 / 4 for i in range(40)]})
    numbers.to_csv("t.csv", index=False)
    numbers.to_csv("other.csv", index=False, sep=";", decimal=",")
    numbers.assign(x=numbers.x.where(numbers.n != 3)).to_csv("holes.csv", index=False)
    table = ("data=table", "data.target=y", "net.hidden=[4]", "trainer.max_epochs=1")
    for name, path, other in (("r", "t.csv", "other.csv"), ("s", "other.csv", "t.csv")):
        train(*table, f"data.path={path}", f"name={name}")
        config = Path(f"outputs/{name}/.hydra/config.yaml")
        config.write_text(re.sub("  (header|sheet): null\n", "", config.read_text()))  # of a run from before
        for file in (path, other):
            assert call("predict", f"outputs/{name}", file, "-o", f"of_{file}") == 0
            assert call("evaluate", f"outputs/{name}", f"data.path={file}", "--resamples", "0") == 0
        assert Path(f"of_{path}").read_text() == Path(f"of_{other}").read_text()
        scores = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test/")]
        assert scores[:5] == scores[5:10] == scores[10:]  # in training, of the file itself, of the other
    for missing, code, said in (
        ([], 1, "holes.csv has missing values in: x (1). Say data.missing=drop to leave those rows out.\n"),
        (["data.missing=impute"], 1, "data.missing=impute: the run has learnt from whole rows"),
        (["data.missing=drop"], 0, "data.missing=drop: 1 of 40 rows were left out."),
    ):
        assert call("evaluate", "outputs/r", "data.path=holes.csv", "--resamples", "0", *missing) == code
        assert said in capsys.readouterr().err


def test_predict_reads_amounts_and_writes_numbers(train, call):
    """Targets and features of the answers have one decimal mark; what the run does not count stays as it is written."""
    Path("t.csv").write_text(rows(40, x=[f"{german(v)} €" for v in AMOUNTS], cost=[f"{german(v)}" for v in AMOUNTS]))
    options = ["data=table", "data.path=t.csv", "data.target=cost", "data.drop=[y]", "name=r"]
    train(*options, "trainer.max_epochs=1", "net.hidden=[4]")
    for ending in ("csv", "jsonl", "parquet"):
        assert call("predict", "outputs/r", "t.csv", "-o", f"answers.{ending}") == 0
    answers = pd.read_csv("answers.csv")
    np.testing.assert_allclose(answers.x, AMOUNTS)
    np.testing.assert_allclose(answers.cost, AMOUNTS)
    assert answers.predicted_cost.dtype == float
    assert pd.read_json("answers.jsonl", lines=True).x.tolist() == pytest.approx(AMOUNTS)
    assert pd.read_parquet("answers.parquet").x.tolist() == pytest.approx(AMOUNTS)


MARKERS = ["?", "-", "n/a", "N/A", "NA", "null", " ", "   ", "n.a.", "--", "#DIV/0!", "none"]


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("what", ["numbers", "amounts", "dates", "truths"])
def test_what_stands_for_a_missing_value_among_numbers_is_none(marker, what):
    clean = {
        "numbers": [f"{v}" for v in AMOUNTS],
        "amounts": [f"${v:,}" for v in COUNTS],
        "dates": [f"2020-01-{1 + i % 30:02}" for i in range(40)],
        "truths": ["true", "false"] * 20,
    }[what]
    holes = [value if i % 9 else "" for i, value in enumerate(clean)]
    expected = table_of(rows(40, x=holes), target="y", missing="impute")
    table = table_of(rows(40, x=[value or marker for value in holes]), target="y", missing="impute")
    assert torch.equal(x_of(table), x_of(expected))


@pytest.mark.parametrize("marker", ["?", " ", "n/a", "none of it"])
def test_among_categories_a_blank_is_missing_and_a_minus_is_a_category(marker):
    own = ["none of it"]
    texts = ["+", "-", "+", marker] * 10
    table = table_of(rows(40, x=texts), target="y", missing="impute", missing_values=own)
    assert [table[i][0][1:].tolist() for i in range(4)] == [[1, 0], [0, 1], [1, 0], [0, 0]]


def test_none_is_a_class_and_a_category_and_a_number_that_is_missing(capsys):
    """As in a table of patients who improve not at all, somewhat, or much."""
    columns = {"air": ["None", "driver", "both", "driver"] * 10, "n": ["None", *COUNTS[1:]]}
    table = table_of(rows(40, better=["None", "Some"] * 20, **columns), target="better", missing="drop")
    assert (len(table), table.classes) == (39, ["None", "Some"])
    assert "n: 'None' for missing values (1)" in capsys.readouterr().err
    assert table_of(None, target="better", missing="drop", missing_values=["None"]).classes == ["Some"]


def test_a_run_from_before_none_was_a_category_takes_it_for_missing():
    table = table_of(rows(40, x=["a", "None", "b", "b"] * 10), target="y", missing="impute", missing_values=["None"])
    assert table.reader is not None
    old: dict[str, Any] = {**table.reader, "missing_values": []}
    del old["none_is_missing"]
    new = source("table", path="t.csv", target="y", missing="impute")
    new.restore(old)
    assert torch.equal(x_of(new), x_of(table))
    [(_, x, _)] = TableReader(**{k: v for k, v in old.items() if k != "_target_"}).read("t.csv", 100, None)
    assert torch.equal(x, x_of(table))


def test_missing_values_of_ones_own_may_be_numbers(train, call, capsys):
    Path("t.csv").write_text(rows(40, x=[v if i % 9 else -999 for i, v in enumerate(COUNTS)]))
    expected = table_of(rows(40, x=[v if i % 9 else "" for i, v in enumerate(COUNTS)]), "e.csv", "y", missing="impute")
    table = table_of(None, target="y", missing="impute", missing_values=[-999])
    assert torch.equal(x_of(table), x_of(expected))
    types: list[Any] = [None, {"x": str}]
    for dtype in types:
        pd.read_csv("t.csv", dtype=dtype).to_parquet("t.parquet")
        table = table_of(None, "t.parquet", target="y", missing="impute", missing_values=[-999])
        assert torch.equal(x_of(table), x_of(expected))
    command = ["data=table", "data.path=t.csv", "data.target=y", "data.missing_values=[-999]"]
    assert call("train", *command) == 1
    assert "t.csv has missing values in: x (5). Say data.missing=drop" in capsys.readouterr().err
    train(*command, "data.missing=impute", "name=r", "trainer.max_epochs=1", "net.hidden=[4]")
    assert call("predict", "outputs/r", "t.csv", "-o", "a.csv") == 0
    Path("t.csv").write_text(Path("t.csv").read_text().replace("-999", ""))
    assert call("predict", "outputs/r", "t.csv", "-o", "b.csv") == 0
    assert pd.read_csv("a.csv").predicted_y.tolist() == pd.read_csv("b.csv").predicted_y.tolist()


def test_charges_with_blanks_are_numbers(call, capsys):
    """As in a table of customers: the new ones have been charged nothing yet."""
    texts = [f"{v:.2f}" if i % 9 else " " for i, v in enumerate(np.linspace(18.25, 8684.8, 40))]
    Path("t.csv").write_text(rows(40, TotalCharges=texts))
    assert call("train", "data=table", "data.path=t.csv", "data.target=y") == 1
    assert "t.csv has missing values in: TotalCharges (5). Say data.missing=drop" in capsys.readouterr().err


def test_what_a_dash_stands_for_is_told(capsys):
    table_of(rows(40, x=[v if i % 9 else "-" for i, v in enumerate(COUNTS)]), target="y", missing="impute")
    assert "x: '-' for missing values (5)" in capsys.readouterr().err


def test_a_run_from_before_there_were_markers_reads_as_it_did(train, call):
    """Its checkpoint has no such fact, its config no such key: a question mark is a category."""
    Path("t.csv").write_text(rows(40, x=["a", "?", "b", "?"] * 10))
    table = table_of(None, target="y", missing_values=None)
    assert table.reader is not None
    old = {name: fact for name, fact in table.reader.items() if name not in ("missing_values", "targets")}
    old |= {"decimal": ".", "encoding": "utf-8"}
    reader = TableReader(**{name: fact for name, fact in old.items() if name != "_target_"})
    [(_, x, _)] = reader.read("t.csv", 100, None)
    assert torch.equal(x, x_of(table))
    assert x.shape == (40, 4)
    new = source("table", path="t.csv", target="y", missing_values=None)
    new.restore(old)
    new.read_target("values")
    assert torch.equal(x_of(new), x_of(table))


DATES = pd.date_range("2023-01-05", periods=40, freq="9D")
DATED: dict[str, tuple[str, str]] = {
    "day first": ("%d/%m/%Y", "x: dates as %d/%m/%Y (40 of 40)"),
    "month first": ("%m/%d/%Y", "x: dates as %m/%d/%Y (40 of 40)"),
    "month first, short": ("%m/%d/%y", "x: dates as %m/%d/%y, years up to 2049 (40 of 40)"),
    "a name": ("%d-%b-%y", "x: dates as %d-%b-%y, years up to 2049 (40 of 40)"),
    "a long name": ("%B %d, %Y", "x: dates as %B %d, %Y (40 of 40)"),
    "without marks": ("%d%b%Y", "x: dates as %d%b%Y (40 of 40)"),
    "a weekday": ("%a, %d %b %Y", "x: dates as %a, %d %b %Y (40 of 40)"),
    "a long weekday": ("%A %B %d, %Y", "x: dates as %A %B %d, %Y (40 of 40)"),
    "blanks around": (" %Y-%m-%d ", ""),
    "blanks around, day first": (" %d/%m/%Y ", "x: dates as %d/%m/%Y (40 of 40)"),
    "points": ("%d.%m.%Y", "x: dates as %d.%m.%Y (40 of 40)"),
    "year first": ("%Y/%m/%d", ""),
    "a clock": ("%d/%m/%Y %H:%M", "x: dates as %d/%m/%Y %H:%M (40 of 40)"),
    "a clock of twelve": ("%m/%d/%Y %I:%M:%S %p", "x: dates as %m/%d/%Y %I:%M:%S %p (40 of 40)"),
}


@pytest.mark.parametrize("how", DATED)
def test_dates_are_read_however_they_are_written(how, capsys):
    written, says = DATED[how]
    expected = table_of(rows(40, x=list(DATES.strftime("%Y-%m-%d"))), target="y")
    table = table_of(rows(40, x=list(DATES.strftime(written))), target="y")
    assert says in capsys.readouterr().err
    assert torch.equal(x_of(table), x_of(expected))
    Path("new.csv").write_text(f"a,x,y\n0,{pd.Timestamp('2023-02-03').strftime(written)!r},1\n".replace("'", '"'))
    assert table.reader is not None
    reader = TableReader(**{k: v for k, v in table.reader.items() if k != "_target_"})
    [(_, x, _)] = reader.read("new.csv", 10, None)
    assert x[0, 1].item() == (pd.Timestamp("2023-02-03") - pd.Timestamp(0)).days
    Path("new.csv").write_text("a,x,y\n0,soon,1\n")
    date_format = reader.columns[1].date_format or "ISO8601"
    with pytest.raises(UserError, match=re.escape(f"not a date, as others there. The run's are as {date_format}.")):
        next(reader.read("new.csv", 10, None))


@pytest.mark.parametrize("date_format", [None, "%d/%m/%y"])
def test_years_of_two_digits_are_not_far_ahead(date_format):
    years = [1950 + i for i in range(100)]
    expected = table_of(rows(100, x=[f"{year}-05-25" for year in years]), target="y")
    table = table_of(rows(100, x=[f"25/05/{year % 100:02}" for year in years]), target="y", date_format=date_format)
    assert torch.equal(x_of(table), x_of(expected))
    assert table.reader is not None
    reader = {k: v for k, v in table.reader.items() if k != "_target_"}
    assert next(TableReader(**reader).read("t.csv", 100, None))[1][0, 1] == x_of(table)[0, 1]
    for column in reader["columns"]:  # of a run from before
        column.pop("until", None)
    assert next(TableReader(**reader).read("t.csv", 100, None))[1][0, 1] == x_of(table)[0, 1] + 36_525


@pytest.mark.parametrize("dtype", [str, "datetime64[ns]"])
def test_a_date_may_stand_for_a_missing_value(dtype):
    days = [str(day.date()) if i % 9 else "1900-01-01" for i, day in enumerate(DATES)]
    pd.DataFrame({"x": pd.Series(days, dtype=dtype), "y": AMOUNTS}).to_parquet("t.parquet")
    table = table_of(None, "t.parquet", target="y", missing="drop", missing_values=["1900-01-01"])
    assert len(table) == 35


@pytest.mark.parametrize(("date_format", "first"), [("%y-%m-%d", "1999-05-01"), ("%d %B %Y", "2023-05-01")])
def test_some_dates_decide_how_the_others_are_written(date_format, first):
    """A year that is no day, a month that has more letters than May."""
    days = pd.date_range(first, periods=40)
    expected = table_of(rows(40, x=list(days.strftime("%Y-%m-%d"))), target="y")
    assert torch.equal(x_of(table_of(rows(40, x=list(days.strftime(date_format))), target="y")), x_of(expected))


@pytest.mark.parametrize("date_format", ["%b %Y", "%B-%Y", "%m/%Y"])
def test_months_are_dates(date_format, capsys):
    months = pd.date_range("2023-01-01", periods=40, freq="MS")
    expected = table_of(rows(40, x=list(months.strftime("%Y-%m-%d"))), target="y")
    table = table_of(rows(40, x=list(months.strftime(date_format))), target="y")
    assert f"x: dates as {date_format} (40 of 40)" in capsys.readouterr().err
    assert torch.equal(x_of(table), x_of(expected))


def test_points_part_days_first_though_no_value_decides():
    expected = table_of(rows(12, x=[f"2020-{1 + i:02}-02" for i in range(12)]), target="y")
    table = table_of(rows(12, x=[f"02.{1 + i:02}.2020" for i in range(12)]), target="y")
    assert torch.equal(x_of(table), x_of(expected))


def test_day_and_month_that_no_value_decides_are_asked_for(call, capsys):
    Path("t.csv").write_text(rows(12, x=[f"02/{1 + i:02}/2020" for i in range(12)]))
    command = ["data=table", "data.path=t.csv", "data.target=y", "trainer.max_epochs=1", "net.hidden=[4]"]
    assert call("train", *command) == 1
    said = capsys.readouterr().err
    assert "t.csv: x holds '02/01/2020', in which day and month may stand either way round: no value decides." in said
    assert "Say data.date_format=%d/%m/%Y or data.date_format=%m/%d/%Y." in said
    assert call("train", *command, "data.date_format=%m/%d/%Y") == 0
    days = x_of(table_of(None, target="y", date_format="%d/%m/%Y"))[:, 1]
    assert days[1] - days[0] == 31


def test_a_date_format_that_no_column_has_is_an_error(call, capsys):
    Path("t.csv").write_text(rows(40, x=list(DATES.strftime("%d/%m/%Y"))))
    command = ["data=table", "data.path=t.csv", "data.target=y"]
    assert call("train", *command, "data.date_format=%Y.%m.%d") == 1
    said = capsys.readouterr().err
    assert "data.date_format=%Y.%m.%d: no column of t.csv is written so; x is as %d/%m/%Y." in said
    Path("t.csv").write_text(rows(40))
    assert call("train", *command, "data.date_format=%Y.%m.%d") == 1
    assert "data.date_format=%Y.%m.%d: no column of t.csv is written so." in capsys.readouterr().err
    for wrong, says in {"%Q": "'Q' is a bad directive in format '%Q'", "DD.MM.YYYY": "there is no % in it"}.items():
        assert call("train", *command, f"data.date_format={wrong}") == 1
        assert f"Error: data.date_format={wrong}: {says}. %d.%m.%Y is one" in capsys.readouterr().err


def test_a_format_for_one_column_leaves_the_others_as_they_are():
    columns = {
        "x": list(DATES.strftime("%d.%m.%Y")),
        "z": list(DATES.strftime("%Y-%m-%d")),
        "w": list(DATES.strftime("%m/%d/%y")),
    }
    table = table_of(rows(40, **columns), target="y", date_format="%d.%m.%Y")
    x = table[5][0]
    assert x[1] == x[6] == x[11]


def test_a_date_that_cannot_be_is_named_with_its_row(call, capsys):
    days = list(DATES.strftime("%Y-%m-%d"))
    Path("t.csv").write_text(rows(40, x=[*days[:30], "20000-10-01", *days[31:]]))
    command = ["data=table", "data.path=t.csv", "data.target=y", "trainer.max_epochs=1", "net.hidden=[4]"]
    assert call("train", *command) == 1
    said = capsys.readouterr().err
    assert "t.csv, row 31: x is '20000-10-01', which is not a date, as others there." in said
    assert """If it stands for a missing value, say "data.missing_values=['20000-10-01']".""" in said
    assert call("train", *command, "data.missing_values=['20000-10-01']", "data.missing=drop") == 0


@pytest.mark.parametrize("first", ["20230105", "", "-"])
def test_dates_of_digits_are_pointed_out(first, capsys):
    table_of(rows(41, x=[first, *DATES.strftime("%Y%m%d")]), target="y", missing="impute")
    assert "x: 20230105 and others look like dates; date_format=%Y%m%d reads them as such." in capsys.readouterr().err


def test_a_target_whose_square_is_too_large_is_named(call, capsys):
    Path("t.csv").write_text(rows(40, x=[1e19 if i == 7 else i / 3 for i in range(40)]))
    command = ["data=table", "data.path=t.csv", "data.target=x", "trainer.max_epochs=1", "net.hidden=[4]"]
    assert call("train", *command) == 1
    said = capsys.readouterr().err
    assert "data.target=x is 1e+19 in row 8, and its square is too large for 32 bits." in said
    assert "data.missing_values=[1e+19]." in said


EXPORTED: dict[str, tuple[dict[str, Any], str]] = {
    "semicolons": ({"sep": ";"}, "t.csv: separator=';', by its looks."),
    "tabs": ({"sep": "\t"}, "t.csv: separator='\\t', by its looks."),
    "bars": ({"sep": "|"}, "t.csv: separator='|', by its looks."),
    "german": ({"sep": ";", "decimal": ","}, "t.csv: separator=';', decimal=',', by its looks."),
    "german, Windows": (
        {"sep": ";", "decimal": ",", "encoding": "cp1252"},
        "t.csv: separator=';', decimal=',', encoding=cp1252, by its looks.",
    ),
    "quoted": ({"decimal": ","}, "t.csv: decimal=',', by its looks."),
    "a BOM": ({"encoding": "utf-8-sig"}, "t.csv: encoding=utf-8-sig, by its looks."),
    "Excel's unicode": ({"encoding": "utf-16", "sep": "\t"}, "t.csv: separator='\\t', encoding=utf-16, by its looks."),
    "usual": ({}, ""),
}


@pytest.mark.parametrize("how", EXPORTED)
def test_separator_decimal_mark_and_encoding_are_found_by_looking(how, train, call, capsys):
    written, says = EXPORTED[how]
    frame = pd.DataFrame(
        {"Größe": AMOUNTS, "Stück": COUNTS, "Stadt": ["Köln", "Bern"] * 20, "y": np.sqrt(np.arange(40))}
    )
    frame.to_csv("clean.csv", index=False)
    frame.to_csv("t.csv", index=False, **written)
    expected = table_of(None, "clean.csv", target="y")
    assert capsys.readouterr().err == ""
    table = table_of(None, target="y")
    assert says in (said := capsys.readouterr().err)
    assert bool(said) == bool(says)
    for part in ("x", "y"):
        assert torch.equal(getattr(table, part), getattr(expected, part))
    if how == "german, Windows":
        train("data=table", "data.path=t.csv", "data.target=y", "name=r", "trainer.max_epochs=1", "net.hidden=[4]")
        Path("new.csv").write_bytes(b"\n".join(Path("t.csv").read_bytes().splitlines()[:3]))
        assert call("predict", "outputs/r", "new.csv", "-o", "answers.csv") == 0
        answers = pd.read_csv("answers.csv")
        assert answers["Größe"].tolist() == AMOUNTS[:2]
        assert answers["Stück"].tolist() == COUNTS[:2]
        assert answers.y.tolist() == [0.0, 1.0]
        assert answers.predicted_y.dtype == float
        assert call("evaluate", "outputs/r", "data.path=clean.csv", "data.decimal='.'", "--resamples", "0") == 0


def test_what_is_said_is_not_looked_for(capsys):
    Path("t.csv").write_bytes("ß;b,y\n1;2,3\n2;2,5\n3;1,1\n".encode("latin-1"))
    table = table_of(None, target="y", separator=",", encoding="latin-1")
    assert (table.reader or {})["columns"][0]["name"] == "ß;b"
    assert "looks" not in capsys.readouterr().err


def test_blanks_part_fields_where_the_user_says_so(call, capsys):
    frame = pd.DataFrame({"a": AMOUNTS, "n": [*COUNTS[:-1], None], "y": np.arange(40) ** 2})
    frame.to_csv("clean.csv", index=False)
    Path("t.csv").write_text(frame.to_string(index=False).replace("\n", "  \n") + "\n")
    command = ["data=table", "data.path=t.csv", "data.target=y", "data.missing=drop"]
    assert call("train", *command, "trainer.max_epochs=1", "net.hidden=[4]", "name=r") == 1
    assert "Say data.separator=' '." in capsys.readouterr().err
    with pytest.raises(UserError, match=r"Say separator='\^'\."):
        table_of(frame.to_csv(index=False, sep="^"), "u.csv", target="y")
    assert call("train", *command, "trainer.max_epochs=1", "net.hidden=[4]", "name=r", "data.separator= ") == 0
    expected = table_of(None, "clean.csv", target="y", missing="drop")
    assert torch.equal(x_of(table_of(None, target="y", missing="drop", separator=" ")), x_of(expected))
    assert call("predict", "outputs/r", "t.csv", "-o", "answers.csv") == 1  # its last row lacks a number
    assert "t.csv, row 40: n is missing" in capsys.readouterr().err


def test_three_decimals_behind_commas_are_asked_for_where_semicolons_part_the_fields(call, capsys):
    """In an American table they would be thousands; such a one would not part its fields so."""
    Path("t.csv").write_text("x;y\n" + "".join(f"{i + 1},{i:03};{i * i % 37}\n" for i in range(40)))
    assert call("train", "data=table", "data.path=t.csv", "data.target=y") == 1
    assert "t.csv: x holds '1,000', in which ',' may stand before decimals or thousands" in capsys.readouterr().err
    Path("t.csv").write_text("x;z;y\n" + "".join(f"{i + 1},{i:03};{i},5;{i * i % 37}\n" for i in range(40)))
    assert call("train", "data=table", "data.path=t.csv", "data.target=y") == 1
    assert "t.csv: x holds '1,000', in which ',' may stand before decimals or thousands" in capsys.readouterr().err


def test_points_before_three_digits_are_asked_for_where_semicolons_part_the_fields():
    text = "lot;z;y\n" + "".join(f"{i + 1}.{i:03};{i + 1}.{i:03};{i * i % 37}\n" for i in range(40))
    ways: list[dict[str, Any]] = [{}, {"decimal": {"z": "."}}]
    for options in ways:
        with pytest.raises(UserError, match=r"lot holds '1\.000', in which '\.' may stand before decimals or thous"):
            table_of(text, target="y", **options)
    x = table_of(None, target="y", decimal={"lot": ",", "z": "."})[1][0]
    assert x.tolist() == [2001, pytest.approx(2.001)]
    other = table_of(text.replace("1.000", "1.5"), target="y")
    assert other[1][0][0] == pytest.approx(2.001)


def test_numbers_of_categories_say_nothing_of_decimals():
    text = "n;town;x;y\n" + "".join(f"{i + 1}.{i:03};{i % 2 + 1}. Town;{i},5;{i * i % 37}\n" for i in range(40))
    assert table_of(text, target="y")[1][0][[0, -1]].tolist() == [2001, 1.5]


def test_blanks_around_fields_are_none_of_their_values():
    lines = [
        f"{'NA' if i == 3 else i},{'n/a' if i == 4 else i % 2 == 0},{'NA' if i == 5 else 'uv'[i % 2]},{i * i % 37}\n"
        for i in range(40)
    ]
    expected = table_of("x,old,town,y\n" + "".join(lines), target="y", missing="drop")
    table = table_of("x,old,town,y\n" + "".join(lines).replace(",", " , "), target="y", missing="drop")
    assert torch.equal(x_of(table), x_of(expected))


def test_three_decimals_are_decimals_where_other_columns_have_decimal_points(capsys):
    columns = {"v": [f"3.{700 - i} V" for i in range(40)], "z": [f"{i}.5" for i in range(40)]}
    clean = columns | {"v": [f"3.{700 - i}" for i in range(40)]}
    assert torch.equal(x_of(table_of(rows(40, **columns), target="y")), x_of(table_of(rows(40, **clean), target="y")))
    assert "v: numbers with V (40 of 40)" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"v holds '1\.234 €', in which '\.' may stand before decimals or thousands"):
        table_of(rows(40, **columns | {"v": ["1.234 €", "950 €"] * 20}), target="y")


def test_where_other_columns_have_decimal_commas_points_part_thousands():
    text = "x;z;y\n" + "".join(f"{i + 1}.{i:03};{i},5;{i * i % 37}\n" for i in range(40))
    clean = "x;z;y\n" + "".join(f"{(i + 1) * 1000 + i};{i}.5;{i * i % 37}\n" for i in range(40))
    assert torch.equal(x_of(table_of(text, target="y")), x_of(table_of(clean, target="y")))


def test_all_bad_columns_are_told_at_once(call, capsys):
    columns = {
        "who": [f"p{i}" for i in range(40)],
        "size": ["1,5", "2.5"] * 20,
        "day": ["02/01/2020", "03/02/2020"] * 20,
        "built": [f"2020-01-{1 + i % 30:02}" if i != 6 else "soon" for i in range(40)],
        "hole": [i / 7 if i != 9 else "" for i in range(40)],
    }
    Path("t.csv").write_text(rows(40, **columns))
    assert call("train", "data=table", "data.path=t.csv", "data.target=y") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 6
    text = "\n".join(said)
    for sentence in (
        "t.csv: size holds '2.5' and '1,5', in which the decimal mark is not the same. Mend the file, or, if it is no",
        "t.csv: day holds '02/01/2020', in which day and month may stand either way round",
        "t.csv, row 7: built is 'soon', which is not a date",
        "t.csv has missing values in: hole (1). Say data.missing=drop",
        "t.csv: who has 40 different texts in 40 rows, too many to learn from. Leave it out: data.drop=[who].",
        "To leave these columns out: data.drop=[who,size,day,built].",
    ):
        assert sentence in text
    assert not Path("outputs").exists() or not [*Path("outputs").iterdir()]


def test_the_advice_for_names_works_as_it_is_printed(call, capsys):
    """In a shell: names of two columns, one of which needs quotes."""
    names = {"full name": [f"p{i}" for i in range(40)], "it's a $": [f"q{i}" for i in range(40)]}
    Path("t.csv").write_text(rows(40, **names))
    assert call("train", "data=table", "data.path=t.csv", "data.target=y") == 1
    told = capsys.readouterr().err
    assert "t.csv: full name, it's a $ have more than 20 different texts in 40 rows, too many" in told
    advice = told.partition("Leave them out: ")[2].strip().rstrip(".")
    command = f"{sys.executable} -m src.train data=table data.path=t.csv data.target=y trainer.max_epochs=1 {advice}"
    done = subprocess.run(["bash", "-c", command], env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_advice_to_leave_a_column_out_keeps_those_that_are_left_out(call, capsys):
    """Typed in the place of what was typed before, as it is printed."""
    columns = {
        "who": [f"p{i}" for i in range(60)],
        "size": ["1,5", "2.5"] * 30,
        "n": range(60),
        "full name": ["a"] * 60,
    }
    Path("t.csv").write_text(rows(60, **{name: list(values) for name, values in columns.items()}))
    command = ["data=table", "data.path=t.csv", "data.target=y", "trainer.max_epochs=1", "net.hidden=[4]"]
    for dropped, says in {
        "['full name']": """To leave these columns out: "data.drop=['full name','who','size']".""",
        "[who]": "To leave it out: data.drop=[who,size].",
        "[size]": "Leave it out: data.drop=[size,who].",
        "[who,size]": "If it is one, leave it out: data.drop=[who,size,n]",
    }.items():
        assert call("train", *command, f"data.drop={dropped}") == (dropped != "[who,size]")
        assert says in capsys.readouterr().err


def test_names_are_counted_among_all_rows_though_some_are_left_out():
    text = rows(40, who=[f"p{i}" for i in range(40)], n=[*range(30), *[""] * 10])
    with pytest.raises(UserError, match="who has 40 different texts in 40 rows"):
        table_of(text, target="y", missing="drop")
    with pytest.raises(UserError, match="target=who holds 30 different texts in 30 rows"):
        table_of(text, target="who", missing="drop")


def test_a_target_of_names_is_not_to_be_left_out(call, capsys):
    Path("t.csv").write_text(rows(40, who=[f"p{i}" for i in range(40)], price=[i / 8 for i in range(40)]))
    for target, what in {"who": "texts", "price": "numbers"}.items():
        words = ("data=table", "data.path=t.csv", f"data.target={target}", "task=classification", "data.drop=[who]")
        assert call("train", *words[: 4 if target == "who" else 5]) == 1
        said = capsys.readouterr().err
        assert f"data.target={target} holds 40 different {what} in 40 rows, too many to be classes." in said
        assert "drop" not in said


SUSPECTS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "an ID": ({"n": range(1000, 1060)}, "y", ["n: another whole number in every row, as an ID has. If it is one"]),
    "a shuffled ID": ({"n": [i * 7 % 60 for i in range(60)]}, "y", ["n: another whole number in every row"]),
    "a large ID": ({"order_id": [i * 7919 % 60013 for i in range(1, 61)]}, "y", ["order_id: another whole number"]),
    "the same in other units": ({"z": "y * 2.54 + 1"}, "y", ["z: y follows from it alone. If it would not be known"]),
    "its logarithm": ({"z": "exp(y)"}, "y", ["z: y follows from it alone."]),
    "a code of the class": ({"k": ["u", "v"] * 30, "c": ["no", "yes"] * 30}, "c", ["k: c follows from it alone."]),
    "a number of the class": ({"k": [i % 2 + i / 999 for i in range(60)], "c": ["a", "b"] * 30}, "c", ["k: c follows"]),
    "codes of the class": ({"k": [0, 1, 2] * 20, "c": ["a", "b", "a"] * 20}, "c", ["k: c follows from it alone."]),
    "a few prices": (
        {"k": [i * 7 % 8 + 1 for i in range(60)], "c": [math.log(i * 7 % 8 + 1) for i in range(60)]},
        "c",
        ["k: c follows from it alone."],
    ),
    "where it is there": (
        {"z": [i * i % 53 / 7 if i % 4 else None for i in range(60)], "c": [i * i % 53 / 2 for i in range(60)]},
        "c",
        ["z: c follows from it alone."],
    ),
    "one value far out": (
        {"z": [1e9, *[i * i % 53 for i in range(59)]], "c": [1e9, *[i * 5 % 59 + 0.5 for i in range(59)]]},
        "c",
        [],
    ),
    "a rare class": ({"k": [i // 2 if i < 28 else i for i in range(60)], "c": ["b", "b", *["a"] * 58]}, "c", []),
    "two at once": (
        {"n": range(60), "z": "y * 2.54 + 1"},
        "y",
        ["n: another", "z: y follows", "To leave all of these out: drop=[n,z]"],
    ),
    "rows of the same patient": (
        {"patient id": [i // 4 for i in range(60)]},
        "y",
        ["patient id: 15 different ones in 60 rows. If the rows of one belong together, keep them in one split: "],
    ),
    "a few shops": ({"shop_id": [i % 5 for i in range(60)]}, "y", []),
    "counts": ({"k": [i * i % 23 for i in range(60)]}, "y", []),
    "sorted counts": ({"k": [i * i * 9 for i in range(60)]}, "y", []),
    "years": ({"k": range(1950, 2010), "start_year": range(60)}, "y", []),
    "amounts": ({"k": [i * 7919 % 60013 for i in range(1, 61)]}, "y", []),
    "a town of a country": ({"k": ["u", "v", "w"] * 20, "c": ["no", "yes"] * 30}, "c", []),
}


@pytest.mark.parametrize("case", SUSPECTS)
def test_an_id_and_a_column_that_gives_the_target_away_are_named(case, capsys):
    columns, target, says = SUSPECTS[case]
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"noise": random.normal(size=60), "y": random.normal(size=60)})
    for name, values in columns.items():
        frame[name] = frame.eval(values) if isinstance(values, str) else list(values)
    table_of(frame.to_csv(index=False), target=target, missing="impute")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == len(says)
    assert all(line.startswith(start) for line, start in zip(said, says, strict=True))


def test_notices_say_what_is_typed(call, capsys):
    pd.DataFrame({"n": range(60), "x": np.sin(np.arange(60)), "stars": [1, 2, 3] * 20}).to_csv("t.csv", index=False)
    command = ["data=table", "data.path=t.csv", "data.target=stars", "trainer.max_epochs=1", "net.hidden=[4]"]
    assert call("train", *command) == 0
    said = capsys.readouterr()
    assert "n: another whole number in every row, as an ID has. If it is one, leave it out: data.drop=[n]\n" in said.err
    assert "x 2, 3 classes (if it is a count: task=regression)\n" in said.out
    assert call("train", *command, "task=regression", "data.drop=[n]") == 0
    said = capsys.readouterr()
    assert "if it is a count" not in said.out
    assert call("train", *command, "data.describe=true") == 0
    assert "\nstars: 3 classes (if it is a count: task=regression)\n" in capsys.readouterr().out
    assert "as an ID" not in said.err


ABOVE = {
    "an account": ("Account;DE12\nFrom;2023\n\n", "a;b;c\n", ";", 4),
    "comments": ("# device 7\n", "a,b,c\n", ",", 2),
    "a title and empty fields": ("Sales 2023;;\n;;\n", "a;b;c\n", ";", 3),
    "a title of two lines": ('"Sales\n2023",\n', "a,b,c\n", ",", 3),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("case", ABOVE)
def test_lines_above_the_header_are_left_out(case, encoding, capsys):
    above, header, mark, line = ABOVE[case]
    below = header + "".join(f"{i}{mark}x{i % 3}{mark}{i * i % 17}\n" for i in range(40))
    clean = table_of(below, "clean.csv", target="c")
    capsys.readouterr()
    Path("t.csv").write_text(above + below, encoding=encoding)
    for said in (None, line):
        found = table_of(None, "t.csv", target="c", header=said)
        assert torch.equal(x_of(found), x_of(clean))
        assert torch.equal(found.y, clean.y)
        assert (f"header={line}" in capsys.readouterr().err) == (said is None)


def test_a_ragged_row_is_counted_from_the_header_on():
    text = "# from device 7\n# in March\na,b,y\n" + "1,2,3\n" * 40 + "1,2,3,4\n"
    with pytest.raises(UserError, match="row 41 has 4 fields"):
        table_of(text, target="y")


def test_the_line_of_the_names_may_be_said():
    """Where looking does not find it: the title has as many fields as the names."""
    text = "made,by,7\n" + rows(40, x=[*range(40)])
    with pytest.raises(UserError, match="Line 2 holds it: if the names stand there, say header=2"):
        table_of("made by me\n" + rows(40, **{"2020": [*range(40)]}).replace(",", ";"), target="y")
    says = "target='y' is not a column of t.csv. Line 2 holds it: if the names stand there, say header=2."
    with pytest.raises(UserError, match=re.escape(says)):
        table_of(text, target="y")
    assert len(table_of(text, target="y", header=2)) == 40
    pd.read_csv("t.csv", header=None).to_excel("t.xlsx", header=False, index=False)
    with pytest.raises(UserError, match=re.escape(says.replace("csv", "xlsx"))):
        table_of(None, "t.xlsx", target="y")
    assert len(table_of(None, "t.xlsx", target="y", header=2)) == 40
    for header, says in ((0, "header=0: the first line is 1."), (99, "path=t.csv has no line 99.")):
        with pytest.raises(UserError, match=re.escape(says)):
            table_of(text, target="y", header=header)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n5,6\n",
        "a,b\n1,x\n3,y\n5,x\n",
        "n\n1\n2\n3\n",
        "a,b,\n1,2\n3,4\n5,6\n",
        "a,,\n1,x,y\n2,x,z\n",
        "a,b\n" + "1,x;y\n" * 5,
        "a;b;c\n" + "1,5;x;2\n" * 5 + "  \n",
        "a b\n" + "1,5 2\n" * 5,
        "a;b;c\n" + "1,5;x;2\n" * 5 + "a note below\n",
    ],
)
def test_a_table_from_its_first_line_on_is_told_so(text):
    assert lines_above(text.splitlines(keepends=True)) == 0


def test_a_row_of_totals_is_named(capsys):
    text = rows(40, shop=["a", "b"] * 20)
    table_of(text, target="y")
    assert "totals" not in capsys.readouterr().err
    table_of(text + "800,Grand Total,150\n", target="y")
    assert (
        "t.csv: its last row, 'Grand Total', looks like one of totals. If it is, remove it" in capsys.readouterr().err
    )
    dated = rows(40, day=list(DATES.strftime("%Y-%m-%d")))
    with pytest.raises(
        UserError, match=r"row 41: day is 'Summe', .* If it is a row of totals, or a note, remove it from the file"
    ):
        table_of(dated + "800,Summe,150\n", target="y")


def test_a_row_of_units_is_named():
    lines = rows(40, size=[i / 4 for i in range(40)]).splitlines(keepends=True)
    with pytest.raises(
        UserError, match=r"row 1: size is 'm', which is not a number.* If the first row says units, remove"
    ):
        table_of("".join([lines[0], "s,m,kg\n", *lines[1:]]), target="y")


def test_a_note_below_the_rows_is_named(capsys):
    note = '"Source: Bureau of Statistics, 2023"\n'
    with pytest.raises(
        UserError, match=r"row 41: a is 'Source: .* If it is a row of totals, or a note, remove it from"
    ):
        table_of(rows(40) + note, target="y")
    towns = "town,a,y\n" + "".join(f"{'uv'[i % 2]},{i},{i * i % 17}.5\n" for i in range(40))
    table_of(towns + note, target="y", missing="drop")
    said = capsys.readouterr().err
    assert "t.csv: its last row holds 'Source: Bureau of Statistics, 2023' alone. If it is a note, remove it" in said


def test_texts_that_differ_in_capitals_or_blanks_are_named(capsys):
    text = rows(40, sex=["m", "M", "f", "f"] * 10, churn=["yes", "no", "Yes ", "no"] * 10)
    assert table_of(text, target="churn").classes == ["Yes ", "no", "yes"]
    said = capsys.readouterr().err
    assert "churn: 'Yes ' and 'yes' are different classes. If they mean the same, write them alike in the file." in said
    assert "sex: 'M' and 'm' are different categories." in said


@pytest.mark.parametrize(("name", "typed", "so"), [(" y ", "y", "' y ', with blanks,"), ("[y]", "[y]", "'[y]'")])
def test_an_odd_name_is_told_as_it_is_typed(name, typed, so, call, capsys):
    Path("t.csv").write_text(f" a ,{name}\n" + "".join(f"{i},{i * i % 17}\n" for i in range(40)))
    command = ["train", "data=table", "data.path=t.csv", "trainer.max_epochs=1", "net.hidden=[4]"]
    assert call(*command, f"data.target={typed}") == 1
    said = f"""'y' is not a column of t.csv. {so} is: type "data.target='{name}'"."""
    assert said in capsys.readouterr().err
    assert call(*command, f"data.target='{name}'") == 0


def test_a_file_without_names_is_told(call, capsys):
    Path("t.csv").write_text("".join(f"{i}.5,{i * i % 17}\n" for i in range(40)))
    assert call("train", "data=table", "data.path=t.csv", "data.target=y") == 1
    assert "It has: 0.5, 0. Those are numbers: is there no line of names? Write one" in capsys.readouterr().err


@pytest.fixture
def shop(finished, folder):
    """A run that knows two towns."""
    Path("t.csv").write_text(rows(40, town=["Oslo", "Bergen"] * 20))
    finished("data=table", "data.path=t.csv", "data.target=y", "name=shop", "trainer.max_epochs=1", "net.hidden=[4]")
    return folder


@pytest.mark.parametrize("written", ["{}", "{}.0"])
def test_whole_numbers_that_are_categories_may_have_a_decimal_in_new_rows(written, capsys):
    """As pandas writes them, where one is missing."""
    table = table_of(rows(40, x=[(written).format(8010 + i % 3) for i in range(40)]), target="y", categorical=["x"])
    assert table.reader is not None
    Path("t.csv").write_text("a,x,y\n0,8011.0,1\n0,8011,1\n0,9,1\n")
    reader = TableReader(**{k: v for k, v in table.reader.items() if k != "_target_"})
    [(_, x, _)] = reader.read("t.csv", 10, None)
    assert x[:, 1:].tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    capsys.readouterr()
    new = source("table", path="t.csv", target="y", categorical=["x"])
    new.restore(table.reader)
    new.read_target("values")
    assert torch.equal(x_of(new), x)
    assert "x: no training row has '9'. Such rows" in capsys.readouterr().err


def test_a_category_that_the_run_does_not_know_is_none_of_its_own(shop, call, capsys):
    """As in `src.evaluate`: the other rows have their answers, these have those of no category."""
    Path("new.csv").write_text("a,town,y\n1,Oslo,1\n2,Oslö,3\n3,Rome,2\n4,Rome,1\n")
    assert call("predict", "outputs/shop", "new.csv", "-o", "answers.csv") == 0
    assert "town: the run knows no 'Oslö', 'Rome' (3 rows): of no category" in capsys.readouterr().err
    answers = pd.read_csv("answers.csv")
    assert len(answers) == 4
    assert call("evaluate", "outputs/shop", "data.path=new.csv", "--resamples", "0") == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("test/mae")]
    assert float(line.split()[1]) == pytest.approx((answers.predicted_y - answers.y).abs().mean(), rel=1e-3)


def test_columns_that_the_run_does_not_know_are_left_alone(shop, call, capsys):
    Path("new.csv").write_text("note,a,town,when\nkept,1,Oslo,later\n")
    assert call("predict", "outputs/shop", "new.csv", "-o", "answers.csv") == 0
    assert "new.csv: the run knows no note, when, and does without." in capsys.readouterr().err
    assert list(pd.read_csv("answers.csv").columns) == ["note", "a", "town", "when", "predicted_y"]


@pytest.mark.parametrize("change", ["data.on_error=skip", "data.separator=;", "data.missing=impute"])
def test_what_predict_would_ignore_is_refused(shop, call, capsys, change):
    assert call("predict", "outputs/shop", "t.csv", "-o", "answers.csv", change) == 1
    assert f"{change}: src.predict takes data.batch_size, data.num_workers, data.max_line" in capsys.readouterr().err
    assert not Path("answers.csv").exists()


def test_a_table_can_be_looked_at_without_training(call, capsys, monkeypatch):
    columns = {
        "price": [f"${v:,}" for v in COUNTS],
        "day": [d if i % 8 else "?" for i, d in enumerate(DATES.strftime("%d/%m/%Y"))],
        "town": ["Oslo", "Bergen", "", "Oslo"] * 10,
        "sold": ["true", "false"] * 20,
        "note": [f"note {i}" for i in range(40)],
    }
    Path("t.csv").write_text(rows(40, **columns))
    command = ["data=table", "data.path=t.csv", "data.target=y", "data.drop=[note]", "data.describe=true"]
    assert call("train", *command) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()) for line in said.splitlines() if line.strip()}
    amounts = f"{min(COUNTS)} to {max(COUNTS)} {COUNTS[0]}, {COUNTS[1]}, {COUNTS[2]} 1 feature"
    assert f"price numbers with $ and thousands 0 40 {amounts}" in lines["price"]
    assert (
        "day date as %d/%m/%Y 5 35 2023-01-14 to 2023-12-22 2023-01-14, 2023-01-23, 2023-02-01 5 features"
        in lines["day"]
    )
    town = "2 features, one for each category; with missing=impute none of these where it is missing"
    assert lines["town"] == f"town category 10 2 Oslo, Bergen {town}"
    assert lines["sold"] == "sold boolean 0 2 True, False 1 feature"
    assert lines["note"] == "note left out: drop="
    assert "target: numbers" in lines["y"]
    assert "outputs/data.png shows what they tell about y." in said
    assert [path.name for path in Path("outputs").iterdir()] == ["data.png"]
    monkeypatch.setattr("src.training.describe.MANY", 3)
    assert call("train", *command, "name=looked") == 0
    plain = {line.split()[0]: " ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert plain.items() <= lines.items()
    assert not Path("outputs/looked").exists()
    assert call("train", "-m", *command, "seed=0,1") == 1


@pytest.fixture
def houses() -> pd.DataFrame:
    """Also in clean.csv: a number, a count, a date, a category that looks like a number, one with holes, the target."""
    towns: Any = ["Oslo", "Bergen", None, "Oslo"] * 10
    frame = pd.DataFrame(
        {
            "size": AMOUNTS,
            "rooms": [i % 5 for i in range(40)],
            "built": DATES,
            "zip": [f"{i % 4:05}" for i in range(40)],
        }
    ).assign(town=towns, y=np.sqrt(np.arange(40)))
    frame.to_csv("clean.csv", index=False)
    return frame


HOUSES = (
    *("data=table", "data.target=y", "data.missing=impute", "data.categorical=[zip]"),
    *("trainer.max_epochs=1", "net.hidden=[4]"),
)


def test_an_excel_file_holds_the_same_as_the_csv(houses, train, call, capsys):
    options: dict[str, Any] = {"target": "y", "missing": "impute", "categorical": ["zip"]}
    expected = table_of(None, "clean.csv", **options)
    with pd.ExcelWriter("t.xlsx") as writer:
        houses.to_excel(writer, sheet_name="Sold", index=False)
        houses.to_excel(writer, sheet_name="Old", index=False)
    capsys.readouterr()
    table = table_of(None, "t.xlsx", **options)
    assert "t.xlsx: of its sheets Sold, Old the first is read." in capsys.readouterr().err
    for part in ("x", "y"):
        assert torch.equal(getattr(table, part), getattr(expected, part))
    train(*HOUSES, "data.path=t.xlsx", "name=r")
    for path in ("t.xlsx", "clean.csv"):
        assert call("predict", "outputs/r", path, "-o", f"{path}.answers.csv") == 0
    answers, others = (pd.read_csv(f"{path}.answers.csv", dtype={"zip": str}) for path in ("t.xlsx", "clean.csv"))
    pd.testing.assert_frame_equal(answers, others)
    assert call("evaluate", "outputs/r", "--resamples", "0") == 0
    Path("t.xlsx").write_text("no")
    assert call("evaluate", "outputs/r", "--resamples", "0") == 1
    assert "t.xlsx cannot be read as Excel" in capsys.readouterr().err


def test_a_sheet_below_titles_is_read_as_the_csv(houses, train, call, capsys):
    """Whether the row of the names is said or found, in the run and in new files."""
    with pd.ExcelWriter("t.xlsx") as writer:
        pd.DataFrame({"About": ["these houses"]}).to_excel(writer, sheet_name="Read me", index=False)
        houses.to_excel(writer, sheet_name="Sold houses", index=False, startrow=3)
        writer.sheets["Sold houses"]["A1"] = "Houses sold in 2023"
    expected = table_of(None, "clean.csv", target="y", missing="impute", categorical=["zip"])
    capsys.readouterr()
    assert call("train", *HOUSES, "data.path=t.xlsx") == 1
    said = capsys.readouterr().err
    assert "t.xlsx: of its sheets Read me, Sold houses the first is read." in said
    assert "To read another: \"data.sheet='Sold houses'\"." in said
    for header in (None, 4):
        options: dict[str, Any] = {"missing": "impute", "categorical": ["zip"], "sheet": "Sold houses"}
        table = table_of(None, "t.xlsx", target="y", header=header, **options)
        assert ("t.xlsx: header=4, by its looks." in capsys.readouterr().err) == (header is None)
        assert torch.equal(x_of(table), x_of(expected))
    train(*HOUSES, "data.path=t.xlsx", "data.sheet='Sold houses'", "name=r")
    for path in ("t.xlsx", "clean.csv"):
        assert call("predict", "outputs/r", path, "-o", f"{path}.answers.csv") == 0
    answers, others = (pd.read_csv(f"{path}.answers.csv", dtype={"zip": str}) for path in ("t.xlsx", "clean.csv"))
    pd.testing.assert_frame_equal(answers, others)
    assert call("train", *HOUSES, "data.path=t.xlsx", "data.sheet=sold") == 1
    assert "t.xlsx has the sheets Read me, Sold houses. Did you mean 'Sold houses'?" in capsys.readouterr().err
    train(*HOUSES, "data.path=clean.csv", "name=c")
    assert call("predict", "outputs/c", "t.xlsx", "-o", "other.csv") == 1
    assert "To read another: \"data.sheet='Sold houses'\"." in capsys.readouterr().err
    assert call("predict", "outputs/c", "t.xlsx", "-o", "other.csv", "data.sheet='Sold houses'", "data.header=4") == 0
    pd.testing.assert_frame_equal(pd.read_csv("other.csv", dtype={"zip": str}), answers)


@pytest.mark.parametrize(
    ("option", "called"),
    [
        ({"separator": ";"}, "a text file"),
        ({"encoding": "utf-8"}, "a text file"),
        ({"header": 2}, "a text or Excel file"),
        ({"sheet": "Sold"}, "an Excel file"),
    ],
)
def test_what_says_nothing_of_a_kind_of_file_is_refused(option, called):
    pd.DataFrame({"a": range(9), "y": range(9)}).to_parquet("t.parquet")
    [(name, value)] = option.items()
    says = f"{name}={value} is for {called}, and path=t.parquet is none."
    with pytest.raises(UserError, match=re.escape(says)):
        table_of(None, "t.parquet", target="y", **option)
    with pytest.raises(UserError, match=re.escape("query=select 1 is for a database, and path=t.parquet is none.")):
        table_of(None, "t.parquet", target="y", query="select 1")


def test_rows_of_a_database_are_those_of_the_csv(houses, train, call, capsys):
    options: dict[str, Any] = {"target": "y", "missing": "impute", "categorical": ["zip"]}
    expected = table_of(None, "clean.csv", **options)
    with closing(sqlite3.connect("x.db")) as connection:
        houses.assign(built=houses.built.dt.strftime("%Y-%m-%d")).to_sql("houses", connection, index=False)
    query = "select size, rooms, built, zip, town, y from houses"
    table = table_of(None, "sqlite:///x.db", query=query, **options)
    for part in ("x", "y"):
        assert torch.equal(getattr(table, part), getattr(expected, part))
    train(*HOUSES, "data.path=sqlite:///x.db", f"data.query='{query}'", "name=r")
    for path, answers in (("sqlite:///x.db", "answers.csv"), ("clean.csv", "other.csv")):
        assert call("predict", "outputs/r", path, "-o", answers) == 0
    assert pd.read_csv("answers.csv").predicted_y.tolist() == pd.read_csv("other.csv").predicted_y.tolist()
    few = "data.query=select * from houses limit 3"  # and others than the run's own
    assert call("predict", "outputs/r", "sqlite:///x.db", "-o", "few.csv", few) == 0
    assert pd.read_csv("few.csv").predicted_y.tolist() == pd.read_csv("answers.csv").predicted_y.tolist()[:3]
    assert call("evaluate", "outputs/r", "--resamples", "0") == 0
    capsys.readouterr()
    for words, says in (
        (
            ["data.path=sqlite:///x.db"],
            'it has the tables houses. Say which rows, as in "data.query=select * from houses".',
        ),
        (["data.path=sqlite:///y.db", f"data.query='{query}'"], "data.path=sqlite:///y.db: y.db is not a file."),
        (["data.path=sqlite:///x.db", "data.query=select no from houses"], "no such column: no."),
        (["data.path=sqlite:///x.db", "data.query=delete from houses"], "does not begin with select."),
        (["data.path=no://x", "data.query=select 1"], "no://x"),
    ):
        assert call("train", *HOUSES, *words) == 1
        assert says in capsys.readouterr().err
    with closing(sqlite3.connect("x.db")) as connection:
        assert connection.execute("select count(*) from houses").fetchone() == (40,)


def test_the_query_for_a_table_with_an_odd_name_works_as_it_is_printed(call, capsys):
    with closing(sqlite3.connect("x.db")) as connection:
        assert call("train", *HOUSES, "data.path=sqlite:///x.db") == 1
        assert "it has no tables. Say which rows, as in" in capsys.readouterr().err
        pd.DataFrame({"a": range(40), "y": np.sqrt(np.arange(40))}).to_sql("house prices", connection, index=False)
    command = ["data=table", "data.target=y", "trainer.max_epochs=1", "net.hidden=[4]", "data.path=sqlite:///x.db"]
    assert call("train", *command) == 1
    typed = capsys.readouterr().err.partition("as in ")[2].strip().rstrip(".")
    assert typed == r'''"data.query=select * from \"house prices\""'''
    assert call("train", *command, *shlex.split(typed)) == 0


def test_units_that_differ_are_pointed_out(capsys):
    table_of(rows(40, x=["$5.00", "€6.00", "$7.50", "€8.00"] * 10), target="y")
    assert "x: numbers with units that differ ($, €) are taken for categories." in capsys.readouterr().err


def test_dates_of_another_kind_are_not_to_be_left_out_at_once(call, capsys):
    Path("t.csv").write_text(rows(40, x=list(DATES.strftime("%d of %B %Y"))))
    command = ["data=table", "data.path=t.csv", "data.target=y"]
    assert call("train", *command) == 1
    said = capsys.readouterr().err
    assert "If they are dates, say how they are written, as in data.date_format=%d.%m.%Y." in said
    expected = table_of(rows(40, x=list(DATES.strftime("%Y-%m-%d"))), target="y")
    table = table_of(rows(40, x=list(DATES.strftime("%d of %B %Y"))), target="y", date_format="%d of %B %Y")
    assert torch.equal(x_of(table), x_of(expected))


@pytest.mark.parametrize("name", ["Toyota Mark {}", "Maryland, {}", "Octavia {}"])
def test_names_are_no_dates(name):
    with pytest.raises(UserError, match=r"too many to learn from\. Leave it out: drop=\[x\]\.$"):
        table_of(rows(40, x=[name.format(i) for i in range(40)]), target="y")


def test_many_columns_are_not_many_lines(capsys):
    table_of(rows(40, **{f"x{i}": [f"${v}" for v in COUNTS] for i in range(50)}), target="y")
    said = capsys.readouterr().err.splitlines()
    assert (len(said), said[-1]) == (21, "... and 30 more lines of this kind.")


def test_a_look_that_finds_no_room_leaves_the_picture_before_it(call, capsys):
    Path("t.csv").write_text(rows(40))
    Path("outputs").mkdir()
    Path("outputs/data.png").write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        assert call("train", "data=table", "data.path=t.csv", "data.target=y", "data.describe=true") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "outputs/data.png cannot be written: File too large." in capsys.readouterr().err
    assert [path.read_text() for path in Path("outputs").iterdir()] == ["before"]


NO_TEXTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bz2": (bz2.compress, "compressed. Unpack it: bunzip2"),
    "gzip": (gzip.compress, "compressed by gzip. Let its name end in .gz"),
    "pickle": (pickle.dumps, "a pickle, which could run any code. Save it as Parquet or CSV"),
    "unknown": (lambda text: bytes(len(text)), "no text. Save it as CSV"),
    "a web page": (lambda text: b"\n<!DOCTYPE html>\n<html>", "a web page. Name the file that it links to"),
    "json": (lambda text: b'[\n {"a": 1}]', "JSON. Save it as CSV"),
    "a zip": (
        lambda text: b"PK\3\4" + bz2.compress(text),
        "a zip archive. Unpack it, and name the file that was in it",
    ),
}


@pytest.mark.parametrize("kind", NO_TEXTS)
def test_what_is_no_text_is_told(kind):
    write, says = NO_TEXTS[kind]
    Path("t.csv").write_bytes(write(rows(400).encode()))
    with pytest.raises(UserError, match=rf"^path=t\.csv is {re.escape(says)}"):
        table_of(None, target="y")


@pytest.mark.parametrize("header", ["PAR1,PK,y\n", "BZh,html,y\n", "\ufeffa,b,y\n"])
def test_names_that_look_like_other_files_are_names(header):
    assert len(table_of(header + "".join(f"{i},{i % 7},{i * i % 9}.5\n" for i in range(40)), target="y")) == 40


def test_rows_that_are_there_twice_are_told(capsys):
    table_of(rows(40), target="y")
    assert "rows of training again" not in capsys.readouterr().err
    table_of(rows(40) + rows(40).partition("\n")[2], target="y")  # the second half is for val and test
    assert "40 of 40 rows of val and test are rows of training again, in every value" in capsys.readouterr().err
    table_of("\n".join(["a,b,y", *(f"{'pq'[i % 2]},{'uvw'[i % 3]},{i % 2}" for i in range(60))]), target="y")
    assert "rows of training again" not in capsys.readouterr().err  # there are but six that can be
    random = np.random.default_rng(0)
    a = random.integers(2, size=200)
    pd.DataFrame({"a": a, "y": (a / 2 + 2 * random.normal(size=200)).round(1)}).to_csv("t.csv", index=False)
    table_of(None, target="y")
    assert "rows of training again" not in capsys.readouterr().err  # some are alike by chance


def test_a_header_that_comes_again_is_told_once():
    lines = rows(40, x=[float(i % 7) for i in range(40)]).splitlines()
    with pytest.raises(UserError, match=r"^t\.csv, row 21: the names of the columns come again\. Remove that row\.$"):
        table_of("\n".join([*lines[:21], lines[0], *lines[21:]]) + "\n", target="y")


@pytest.mark.parametrize("missing", [None, "drop"])
def test_a_column_without_any_value_is_told_at_once(missing):
    with pytest.raises(UserError, match=r"empty: there is no value at all; leave out: drop=\[empty\]\.$"):
        table_of(rows(40, empty=[""] * 40), target="y", missing=missing)


def test_of_a_single_class_no_column_is_said_to_give_it_away(capsys):
    table_of(rows(60, c=["a"] * 60), target="c").fit(torch.arange(60))
    assert "follows from it alone" not in capsys.readouterr().err
