"""Tables as people export them: read as the clean table is, or refused in words that say what was seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from src.console.messages import UserError
from tests.sources import source
from tests.test_table import rows, table_of

AMOUNTS = [round(float(v), 2) for v in np.random.default_rng(0).uniform(100, 2_000_000, 40)]
COUNTS = [int(v) for v in AMOUNTS]


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
    "a unit": (lambda v: f"{v} km", COUNTS, "x: numbers with km (40 of 40)"),
    "decimal commas": (lambda v: f"{v:.2f}".replace(".", ","), AMOUNTS, "x: numbers with a decimal comma (40 of 40)"),
    "brackets": (lambda v: f"({-v:,})" if v < 0 else f"{v:,}", [-v for v in COUNTS], "x: numbers with thousands"),
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
        ["A", "B", "A", "1"],
    ],
    ids=str,
)
def test_what_is_no_number_stays_a_category(texts):
    table = table_of(rows(40, x=texts * 10), target="y")
    assert len(table[0][0]) == 1 + len(set(texts))


UNDECIDED = {
    "one mark is both": (["1,5", "2.5"] * 20, "x holds '2.5' and '1,5', in which the decimal mark is not the same."),
    "long numbers": (["7,730", "1500"] * 20, "x holds '7,730', in which ',' may stand before decimals or thousands"),
    "points": (["1.234 €", "5.678 €"] * 20, "x holds '1.234 €', in which '.' may stand before decimals or thousands"),
}


@pytest.mark.parametrize("case", UNDECIDED)
def test_what_the_values_do_not_decide_is_asked_for(case, call, capsys):
    texts, says = UNDECIDED[case]
    Path("t.csv").write_text(rows(40, x=texts))
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
        UserError, match=r"t\.csv: x holds '1\.5', which is no number with decimal=','\. Without decimal"
    ):
        table_of(
            "x;y\n" + "".join(f"1.5 €;{i}\n2,5 €;{i}\n" for i in range(40)), "t.csv", "y", separator=";", decimal=","
        )


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
