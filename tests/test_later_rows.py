"""What the first rows of a large table settle holds in the later ones, or is an error that names them."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from src.console.messages import UserError
from src.datasets.tables.table import Table
from tests.test_table import rows, table_of

EARLY, LATE = 300, 20  # rows; some hundred are a chunk


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("src.datasets.tables.conversion.CHUNK", 4000)
    monkeypatch.setattr("src.datasets.tables.rows.FIRST", 8)


def table(early: list[str], late: list[str], **options: Any) -> Table:
    """Early texts of a column x, over and over, then late ones; read from disk, in chunks."""
    texts = [early[i % len(early)] for i in range(EARLY)] + [late[i % len(late)] for i in range(LATE)]
    options = {"in_memory": False, "cache": "cache", **options}
    return table_of(rows(EARLY + LATE, x=texts), target="y", **options)


def x_of(table: Table) -> torch.Tensor:
    return table.__getitems__(list(range(len(table))))[0]


WIDER: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "the first thousands": (["999.5", "12"], ["1,234.5"], ["999.5", "12"], ["1234.5"]),
    "of whole numbers": (["7", "12"], ["1,234,567", "8"], ["7", "12"], ["1234567", "8"]),
    "behind a decimal comma": (["999,5 €", "1,5 €"], ["1.234,5 €"], ["999.5", "1.5"], ["1234.5"]),
    "the first unit": (["7.5", "12"], ["1.5 km", "2 km", *(f"{i} km" for i in range(9))], ["7.5", "12"], []),
    "the first decimals": (["7", "12", "1500"], ["1,5", "2,5"], ["7", "12", "1500"], ["1.5", "2.5"]),
    "after nothing": (["", ""], ["1,5", "2,5"], ["", ""], ["1.5", "2.5"]),
    "the first brackets": (["7.5", "12"], ["(1.5)", "\u22122"], ["7.5", "12"], ["-1.5", "-2"]),
    "a minus for nothing": (["7.5", "12"], ["-", "3"], ["7.5", "12"], ["", "3"]),
}


@pytest.mark.parametrize("case", WIDER)
def test_numbers_may_be_written_in_more_ways_later(case):
    early, late, clean_early, clean_late = WIDER[case]
    clean_late = clean_late or [text.removesuffix(" km") for text in late]
    missing = "impute" if any(early) else "drop"
    expected = table(clean_early, clean_late, missing=missing, in_memory=True)
    assert torch.equal(x_of(table(early, late, missing=missing)), x_of(expected))


DD, MM = "%d/%m/%Y", "%m/%d/%Y"
CONTRADICTED: dict[str, tuple[list[str], list[str], str, dict[str, Any]]] = {
    "the month first": (
        ["25/12/2023", "01/02/2023"],
        ["12/25/2023"],
        f"t.csv, row 301: x is '12/25/2023', which is not a date, as others there. If it stands for a missing value, "
        f"say \"missing_values=['12/25/2023']\". If day and month stand the other way round in this column, say "
        f"date_format={MM}.",
        {},
    ),
    "days that no early row decides": (
        ["01/02/2023", "03/04/2023"],
        ["25/12/2023"],
        f"t.csv: x holds '01/02/2023', in which day and month may stand either way round: no value decides. "
        f"Say date_format={DD} or date_format={MM}.",
        {"date_format": DD},
    ),
    "days that are the same both ways": (
        ["03/03/2023"],
        ["04/03/2023", "25/03/2023"],
        "t.csv: x holds '03/03/2023', in which day and month may stand either way round",
        {"date_format": DD},
    ),
    "points, the month first": (
        ["01.02.2023", "03.04.2023"],
        ["01.25.2023"],
        "If day and month stand the other way round in this column, say date_format=%m.%d.%Y.",
        {"date_format": "%m.%d.%Y"},
    ),
    "decimals": (
        ["1,234", "2,345"],
        ["1,5"],
        "x holds '1,5', in which ',' stands before decimals; in the rows above it was taken for a mark of thousands. "
        "Say \"decimal={x:','}\".",
        {"decimal": {"x": ","}},
    ),
    "both marks before decimals": (["1.5", "2.25"], ["1,5"], "in which the decimal mark is not the same.", {}),
    "a text among numbers": (
        ["1.5", "2"],
        ["3", "4", "red"],
        "t.csv, row 303: x is 'red', which is not a number, as others there. If it stands for a missing value, say "
        "missing_values=[red]. If the column holds categories, say categorical=[x].",
        {"categorical": ["x"]},
    ),
    "a text among truths": (
        ["true", "false"],
        ["maybe"],
        "t.csv, row 301: x is 'maybe', which is not a boolean, as others there.",
        {"categorical": ["x"]},
    ),
    "a mark for a missing value": (
        ["1.5", "2"],
        ["3", "none here"],
        "t.csv, row 302: x is 'none here', which is not a number, as others there. If it stands for a missing value, "
        "say \"missing_values=['none here']\".",
        {"missing_values": ["none here"], "missing": "impute"},
    ),
    "a question mark among categories": (
        ["a", "b"],
        ["?"],
        "t.csv has missing values in: x (10) of rows",
        {"missing": "impute"},
    ),
}


@pytest.mark.parametrize("case", CONTRADICTED)
def test_what_later_rows_contradict_is_told_with_what_to_type(case):
    early, late, says, typed = CONTRADICTED[case]
    with pytest.raises(UserError) as told:
        table(early, late)
    assert says in str(told.value)
    assert str(told.value).startswith("t.csv")
    if typed:
        assert torch.equal(x_of(table(early, late, **typed)), x_of(table(early, late, **typed, in_memory=True)))


def test_thousands_that_were_taken_for_such_are_asked_for_once_a_number_has_none():
    """As in a small table, in which no other column has decimals."""
    text = "x,y\n" + "".join(f'"{1 + i % 9},{i % 1000:03}",{i * i % 37}\n' for i in range(400))
    ways: list[dict[str, Any]] = [{"in_memory": True}, {"in_memory": False, "cache": "cache"}]
    for options in ways:
        with pytest.raises(UserError, match="may stand before decimals or thousands: no value decides") as told:
            table_of(text + "1500,3\n" * 20, target="y", **options)
    assert str(told.value).startswith("t.csv, rows 3")
    found = table_of(None, target="y", decimal={"x": "."}, in_memory=False, cache="cache")
    assert x_of(found)[[3, 400], 0].tolist() == [4003, 1500]


def test_a_test_file_may_write_its_numbers_in_more_ways():
    Path("test.csv").write_text(rows(20, x=["1,234.5", "0.5"] * 10))
    with_file = table_of(rows(40, x=["999.5", "0.5"] * 20), target="y", test_path="test.csv")
    assert with_file[40][0][1] == 1234.5


TRAINING, LEFT_OUT = 40, 16  # rows


def shared_out(training: list[str], others: list[str], **options: Any) -> Table:
    """Texts of a column x in one file: for training, over and over, then others for val and test; the first rows lack
    the target."""
    first = [training[i % len(training)] for i in range(LEFT_OUT + TRAINING)]
    table = pd.read_csv(StringIO(rows(len(first + 2 * others), x=first + 2 * others)), dtype=str)
    table["split"] = [*["train"] * len(first), *["val"] * len(others), *["test"] * len(others)]
    table.loc[: LEFT_OUT - 1, "y"] = ""
    return table_of(table.to_csv(index=False), target="y", split_column="split", **{"missing": "drop", **options})


BY_OTHERS: dict[str, tuple[list[str], list[str], str, dict[str, Any]]] = {
    "that the day comes first": (
        ["01/02/2023", "03/04/2023"],
        ["25/12/2023"],
        f"x holds '01/02/2023', in which day and month may stand either way round: no value decides. "
        f"Say date_format={DD} or date_format={MM}. Rows for val or test look like date_format={DD}.",
        {"date_format": DD},
    ),
    "that the month comes first": (
        ["01.02.2023", "03.04.2023"],
        ["12.25.2023"],
        "x is read otherwise without rows for val and test. If these are right, say date_format=%m.%d.%Y.",
        {"date_format": "%m.%d.%Y"},
    ),
    "that commas stand before decimals": (
        ["1,234", "2,345"],
        ["1,5"],
        "x is read otherwise without rows for val and test. If these are right, say \"decimal={x:','}\".",
        {"decimal": {"x": ","}},
    ),
    "that there are categories": (
        ["1.5", "2"],
        ["red"] * 20,
        "x is a number, but rows for val or test hold 'red'. If it stands for a missing value, say "
        "missing_values=[red]. If the column holds categories, say categorical=[x].",
        {"categorical": ["x"]},
    ),
    "that categories are no dates": (
        ["2023-01-02", "2023-04-03"],
        ["1999-12-31", *["not yet"] * 20],
        "x is a date, but rows for val or test hold 'not yet'. If it stands for a missing value, say "
        "\"missing_values=['not yet']\".",
        {"missing_values": ["not yet"]},
    ),
}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("case", BY_OTHERS)
def test_what_rows_for_val_and_test_alone_decide_is_asked_for(case, in_memory):
    training, others, says, typed = BY_OTHERS[case]
    where: dict[str, Any] = {"in_memory": in_memory, "cache": "cache"}
    for _ in range(2):  # the second time the conversion is there
        with pytest.raises(UserError) as told:
            shared_out(training, others, **where)
        assert str(told.value).startswith(f"t.csv, training rows: {says}")
    shared_out(training, others, **where, **typed)


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("case", BY_OTHERS)
def test_what_a_training_row_decides_is_not_asked_for(case, in_memory):
    training, others, *_ = BY_OTHERS[case]
    usual = [training[i % len(training)] for i in range(LEFT_OUT + TRAINING - len(others))]
    found = shared_out(usual + others, others, in_memory=in_memory, cache="cache")
    assert len(found) == TRAINING + 2 * len(others)


@pytest.mark.parametrize("case", WIDER)
def test_rows_for_val_and_test_leave_the_training_rows_as_they_are(case):
    training, others, *_ = WIDER[case]
    if any(training):
        found, alone = (shared_out(training, some, missing="impute") for some in (others, []))
        assert torch.equal(x_of(found)[:TRAINING], x_of(alone))
