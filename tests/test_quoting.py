"""Names that people give to files and columns arrive as the shell has passed them on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from src.config.compose import compose
from src.config.quoting import as_text, quoted
from src.evaluate import evaluate
from src.run import Run

pytestmark = pytest.mark.quick
NAMES = [
    "house (1).csv", "größe.csv", "データ.csv", "50%.csv", "a&b.csv", "a#1.csv", "a@b.csv", "x!.csv", "(1).csv",
    "it's.csv", "a  b.csv", "a=b.csv", "a;b.csv", "~/x.csv", "~x.csv", "a`b.csv", "a*b.csv", "a?b.csv", "a<b>.csv",
    "a|b.csv", "été, hiver.csv", "C:\\Users\\me\\new.csv", "\\\\server\\a (b)\\", "a\"b.csv", "a\\'b (1).csv", "a^b",
    "$5 (x).csv",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_arrives_as_it_is(name):
    assert compose("data=table", f"data.path={name}", f"data.target={name}").data.path == name


@pytest.mark.parametrize("name", [*NAMES, "[1].csv", "{x}.csv", "range(1", '"a"b', "a,b.csv"])
@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_what_is_told_to_type_works_in_bash(name):
    typed = as_text(f"data.path={name}")
    passed_on = subprocess.run(["bash", "-c", f"printf %s {typed}"], capture_output=True, text=True, check=True).stdout
    assert compose("data=table", passed_on, "data.target=y").data.path == name


def test_the_names_of_a_list_arrive_as_they_are():
    cfg = compose("data=table", "data.path=x", "data.target=[größe, it`s,preis (€)]")
    assert cfg.data.target == ["größe", "it`s", "preis (€)"]
    assert quoted(["-m", "data.drop=[größe,id],[höhe]"])[1] == "data.drop=['größe','id'],['höhe']"


def test_what_hydra_reads_stays_as_it_is():
    words = [
        "-m",
        "net=mlp,linear",
        "seed=range(3)",
        "net.hidden=[64, 32]",
        "+x={a: 1}",
        "optimizer.lr=1e-3",
        "~scheduler",
    ]
    assert quoted(words) == words
    assert quoted(["a=[1,2", "b=range(1", "trainer"]) == ["a=[1,2", "b=range(1", "trainer"]


def test_what_is_printed_as_a_default_may_be_typed_and_a_sweep_be_asked_for_anywhere(call):
    words = ["data=wine", "experiment=null", "debug=null", "trainer.max_epochs=1", "net.hidden=[4]", "name=s"]
    assert call("train", *words, "-m", "+loss.weight=[1,2,1]") == 0
    assert len([*Path("outputs/s").glob("*/results.json")]) == 1


def test_commas_part_values_in_a_sweep_only():
    assert quoted(["-m", "data.target=größe,breite"])[1] == "data.target='größe','breite'"
    assert quoted(["data.target=größe,breite"]) == ["data.target='größe,breite'"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            "data.path=[1].csv",
            """'data.path=[1].csv' is not KEY=VALUE. If its value is a text, type "data.path='[1].csv'".""",
        ),
        (
            "net=mlp,cnn",
            """net=mlp,cnn: several values make several runs: add -m. If the comma is part of a text, type""",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_what_can(call, capsys, typed, said):
    assert call("train", "data=wine", typed) == 1
    assert said in capsys.readouterr().err


def test_a_table_with_odd_names_is_learnt_and_scored(call, capsys):
    rows = [f"{i};{i % 7};{2 * i}" for i in range(40)]
    Path("häuser (1).csv").write_text("\n".join(["fläche (m²);alter;preis [/m²] :b:", *rows]), encoding="utf-8")
    table = ("data=table", "data.path=häuser (1).csv", "data.target=preis [/m²] :b:", "data.separator=;")
    assert call("train", *table, "name=odd", "net.hidden=[4]", "trainer.max_epochs=1") == 0
    assert "regression of preis [/m²] :b:: " in capsys.readouterr().out
    shutil.move("häuser (1).csv", "neu & gut.csv")
    assert evaluate(Run("outputs/odd"), "test", ["data.path=neu & gut.csv"])
