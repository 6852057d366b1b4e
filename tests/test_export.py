"""Exports give the run's own answers, to who has none of this project's code too."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import src.datasets.synthetic as synthetic
from src.datasets.memory import InMemory
from src.export import _difference
from src.formats.nets import FORMATS
from src.module import SupervisedModule
from src.run import Run

FILES = {
    "pt2": "model.pt2",
    "onnx": "model.onnx",
    "safetensors": "parameters.safetensors",
    "state_dict": "parameters.pt",
}
DATA = {"classes": "wine", "binary": "breast_cancer", "regression": "diabetes"}
README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
READER = next(code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "onnxruntime" in code)
OWN_NET = ("net=linear", "~net.hidden", "~net.activation", "~net.dropout")
SHORT = ("net.hidden=[8]", "trainer.max_epochs=1")


class Recurrent(nn.Module):
    """(B, T, F) -> (B, output_size)."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_shape[-1], 8, batch_first=True)
        self.out = nn.Linear(8, output_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.lstm(x)[0][:, -1])  # (B, T, 8) -> (B, output_size)


class Loop(nn.Module):
    """Step by step, with the batch's size as a number of Python's."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(input_shape[-1], 8)
        self.out = nn.Linear(8, output_size)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(len(x), 8)
        for x_t in x.unbind(dim=1):  # T times (B, F)
            h, c = self.cell(x_t, (h, c))
        return self.out(h)


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        return grads[0] @ weight.T, x.T @ grads[0]


class OwnGradient(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(input_shape[0], output_size))

    def forward(self, x: Tensor) -> Tensor:
        return Product.apply(x, self.weight)


class Words(nn.Module):
    """Indices (B, T) -> (B, output_size)."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, output_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(x).mean(dim=1)  # (B, T, output_size) -> (B, output_size)


class Branching(nn.Linear):
    """By the values themselves: what torch.export cannot follow."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__(input_shape[0], output_size)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


class Bessel(Branching):
    """What torch.export can follow, but ONNX has no operation for."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.Linear.forward(self, torch.special.bessel_j0(x))


class Random(Branching):
    def forward(self, x: Tensor) -> Tensor:
        return nn.Linear.forward(self, x) + torch.rand(len(x), self.out_features)


def said(call, capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert call("export", *arguments) == 0
    [line] = capsys.readouterr().out.splitlines()
    return line


def files(folder: str) -> set[str]:
    return {str(path) for path in Path(folder).rglob("*")}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_every_format_gives_the_runs_own_answers(finished, call, capsys, data):
    run = finished(f"data={data}", *SHORT, "name=r")["run"]
    module = Run(run).load()
    for name, file in FILES.items():
        line = said(call, capsys, str(run), f"format={name}")
        assert line.startswith(f"outputs/r/export/{file}  0.0 MB  largest difference to the run's predictions for ")
        assert float(line.split(" examples: ")[1]) < (1e-3 if name == "onnx" else 1e-9)  # of up to 346
    untrained = [SupervisedModule(**module.hparams) for _ in range(2)]
    for other in untrained:
        other.build_for(module.data)
        other.eval()
    untrained[0].load_state_dict(torch.load(run / "export/parameters.pt", weights_only=True))
    untrained[1].load_state_dict(load_file(run / "export/parameters.safetensors"))
    program = torch.export.load(run / "export/model.pt2").module()
    onnx = FORMATS["onnx"].read(module, run / "export/model.onnx")
    for size in (1, 7):
        x = 50 * torch.rand(size, *module.data.input_shape)
        for answer in (*untrained, program, onnx):
            torch.testing.assert_close(answer(x), module(x), rtol=1e-5, atol=1e-5)
    signatures = {"model.pt2.json", "model.onnx.json"}
    assert {path.name for path in Path(run, "export").iterdir()} == set(FILES.values()) | signatures


def _said_elsewhere(code: str) -> Any:
    """What a process that cannot import this project prints, as JSON."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_pt2_needs_none_of_this_projects_code(finished, call):
    finished("data=diabetes", *SHORT, "name=r")
    assert call("export", "outputs/r", "-o", "net.pt2") == 0
    code = (
        "import sys, torch\n"
        "net, x = torch.export.load('net.pt2').module(), torch.arange(70.0).reshape(7, 10)\n"
        "print(torch.cat([net(x[:1]), net(x[1:])]).flatten().tolist())\n"
        "assert not [m for m in sys.modules if m == 'src' or m.startswith('lightning')]"
    )
    expected = Run("outputs/r").load()(torch.arange(70.0).reshape(7, 10))
    assert _said_elsewhere(code) == pytest.approx(expected.flatten().tolist())


def test_onnx_needs_neither_this_projects_code_nor_torch(finished, call, capfd):
    finished("data=diabetes", *SHORT, "name=r")
    capfd.readouterr()
    assert call("export", "outputs/r", "format=onnx", "-o", "net.onnx") == 0
    shown = capfd.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert shown.err == ""
    assert files(".") == files("outputs") | {"outputs", "net.onnx", "net.onnx.json"}
    columns = json.loads(Path("net.onnx.json").read_text())["columns"]
    assert [(c["name"], c["fill"]) for c in columns[:2]] == [("age", None), ("sex", None)]  # none may be missing
    code = (
        "import sys, numpy as np, onnxruntime\n"
        "net = onnxruntime.InferenceSession('net.onnx')\n"
        "[x], [y] = net.get_inputs(), net.get_outputs()\n"
        "assert (x.name, x.shape, y.name, y.shape) == ('x', ['batch', 10], 'predictions', ['batch', 1])\n"
        "x = np.arange(370, dtype='float32').reshape(37, 10)\n"
        "parts = [net.run(None, {'x': part})[0] for part in (x[:1], x[1:4], x[4:])]\n"
        "print(np.concatenate(parts).ravel().tolist())\n"
        "assert not [m for m in sys.modules if m in ('src', 'torch')]"
    )
    expected = Run("outputs/r").load()(torch.arange(370.0).reshape(37, 10))
    assert _said_elsewhere(code) == pytest.approx(expected.flatten().tolist(), rel=1e-5)


def messy(path: str, rows: int, seed: int) -> pd.DataFrame:
    """Numbers, an amount, yes or no, categories, three kinds of dates; of each some are missing."""
    random = np.random.default_rng(seed)

    def dates(form: str) -> list[str]:
        return [f"{pd.Timestamp(int(s), unit='s'):{form}}" for s in random.integers(0, 10**9, rows)]

    table = pd.DataFrame(
        {
            "rooms": random.integers(1, 9, rows).astype(str),
            "rent": [f"${rent // 1000},{rent % 1000:03d}.50" for rent in random.integers(1000, 9999, rows)],
            "gain": [f"({gain} km)" if gain < 5 else f" {gain},5 km" for gain in random.integers(0, 9999, rows)],
            "garden": random.choice(["True", "False"], rows),
            "city": random.choice(["Bergen", "Oslo", "\u00c5, in Lofoten"], rows),
            "built": dates("%d/%m/%Y"),
            "seen": dates("%Y-%m-%dT%H:%M"),
            "born": [f"{day:02}-Mar-{day + 49:02}" for day in random.integers(1, 20, rows)],
        }
    )
    price = 1000.5 * table.rooms.astype(int) + 3000 * (table.city == "Oslo")
    for name, marker in zip(table.columns, ["-", "", "n/a", "?", "n/a", " ", "NaT", "?"], strict=True):
        table[name] = table[name].mask(random.random(rows) < 0.1, marker)
    table.assign(price=price).to_csv(path, index=False)
    return table


def test_a_table_can_be_read_without_this_project(train, call, capsys):
    """The signature says how x is made of the columns, and stands in the file, beside it, and in a pt2."""
    messy("house.csv", 200, seed=0)
    train("data=table", "data.path=house.csv", "data.target=price", "data.missing=impute", *SHORT, "name=house")
    assert call("export", "outputs/house", "format=onnx") == 0
    assert call("export", "outputs/house") == 0
    new = messy("new.csv", 60, seed=1)
    new.assign(city=new.city.replace("Oslo", "Troms\u00f8")).to_csv("new.csv", index=False)  # not known
    names: dict[str, Any] = {}
    exec(READER, names)
    assert call("predict", "outputs/house", "new.csv", "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv").predicted_price
    assert names["predictions"][:, 0] == pytest.approx(answers.to_numpy(), rel=1e-4)
    signature, extra = names["signature"], {"kindling.json": ""}
    torch.export.load("outputs/house/export/model.pt2", extra_files=extra)
    of_onnx = names["InferenceSession"]("outputs/house/export/model.onnx").get_modelmeta().custom_metadata_map
    beside = [Path("outputs/house/export", f"model.{ending}.json").read_text("utf-8") for ending in ("pt2", "onnx")]
    texts = (extra["kindling.json"], of_onnx["kindling"], *beside)
    assert [json.loads(text) for text in texts] == [signature] * 4
    assert signature["predictions"] == {"task": "regression", "target": "price", "names": ["price"]}
    assert [(c["name"], c["kind"], c["first"], c["count"]) for c in signature["columns"]] == [
        ("rooms", "number", 0, 2), ("rent", "number", 2, 2), ("gain", "number", 4, 2), ("garden", "boolean", 6, 2),
        ("city", "category", 8, 3), ("built", "date", 11, 6), ("seen", "date", 17, 8), ("born", "date", 25, 6),
    ]  # fmt: skip
    scale, x = Run("outputs/house").load().input_scale, signature["x"]
    assert (x["shape"], x["dtype"], x["mean"], x["std"]) == ([31], "float32", scale.mean.tolist(), scale.std.tolist())


def test_what_is_no_table_is_signed_too(train, call, photos):
    train("data=images", f"data.path={photos}", "data.size=8", "data.resize=squash", "net=linear", *SHORT[1:], "name=p")
    train("data=line", *SHORT, "name=line")
    for name in ("p", "line"):
        assert call("export", f"outputs/{name}") == 0
    signatures = [json.loads(Path(f"outputs/{name}/export/model.pt2.json").read_text()) for name in ("p", "line")]
    assert (signatures[0]["x"]["shape"], signatures[0]["x"]["dtype"]) == ([3, 8, 8], "uint8")
    pictures = {"size": 8, "channels": ["red", "green", "blue"], "range": [0, 255], "resize": "squash"}
    assert signatures[0]["pictures"] == pictures
    assert signatures[0]["predictions"] == {"task": "binary", "target": "class", "names": ["cat", "dog"]}
    assert signatures[1].keys() == {"x", "predictions"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [
        "cnn_digits",
        "gru_digits",
        "inception_digits",
        "lstm_digits",
        "resnet_digits",
        "rnn_cell_digits",
        "rnn_digits",
        "by_hand_digits",
    ],
)
def test_onnx_can_say_every_net_here(train, call, capsys, experiment):
    train(f"experiment={experiment}", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "name=r")
    assert float(said(call, capsys, "outputs/r", "format=onnx").split()[-1]) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("net", ["resnet50", "googlenet"])
def test_onnx_can_say_the_large_nets_too(train, call, capsys, net):
    small = ("data=stripes", "data.size=16", "data.shape=[3,64,64]")
    train(*small, f"net={net}", "trainer.max_epochs=1", "name=r")
    assert float(said(call, capsys, "outputs/r", "format=onnx").split()[-1]) < 1e-4


@pytest.mark.parametrize("net", [Recurrent, Loop, OwnGradient, "cnn"], ids=str)
def test_every_kind_of_net_can_be_exported(train, call, capsys, net):
    data = ("data=wine",) if net is OwnGradient else ("data=digits", f"data.shape=[{'1,' * (net == 'cnn')}8,8]")
    own = ("net=cnn",) if net == "cnn" else (*OWN_NET, f"net._target_={__name__}.{net.__name__}")
    train(*data, *own, "trainer.max_epochs=1", "name=r")
    for name in FILES:
        difference = float(said(call, capsys, "outputs/r", "trust=true", f"format={name}").split()[-1])
        assert difference < 1e-6


@pytest.mark.parametrize("kind", ["indices", "uint8"])
def test_it_reads_numbers_as_the_data_hold_them(train, call, capsys, monkeypatch, kind):
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 20, (100, 5), generator=generator, dtype=torch.int64 if kind == "indices" else torch.uint8)
    monkeypatch.setattr(synthetic, "parabola", lambda **_: InMemory(x, x[:, :1] / 20))
    own = (*OWN_NET, f"net._target_={__name__}.Words") if kind == "indices" else ("net=mlp",)
    train("data=parabola", *own, "trainer.max_epochs=1", "name=r")
    assert said(call, capsys, "outputs/r", "trust=true").endswith("for 33 examples: 0.0e+00")
    assert " for 33 examples: " in said(call, capsys, "outputs/r", "trust=true", "format=onnx")
    answers = torch.export.load("outputs/r/export/model.pt2").module()(x)
    torch.testing.assert_close(answers, Run("outputs/r", trust=True).load()(x))


def test_tied_parameters_and_an_older_file_are_no_obstacle(train, call, capsys, monkeypatch):
    train("data=wine", "net.hidden=[13,13]", "trainer.max_epochs=1", "name=r")
    load = Run.load

    def tied(self: Run) -> SupervisedModule:
        module = load(self)
        module.net[4].weight = module.net[1].weight
        return module

    monkeypatch.setattr(Run, "load", tied)
    Path("mine.safetensors").write_text("an older file")
    assert said(call, capsys, "outputs/r", "format=safetensors", "-o", "mine.safetensors").endswith("0.0e+00")
    assert "net.4.weight" in load_file("mine.safetensors")


WRONG = {
    "outputs/r format=onx": "format=onx: there are pt2, onnx, safetensors, state_dict. Did you mean 'onnx'?",
    "outputs/r format=safetensor": "Did you mean 'safetensors'?",
    "outputs/r fromat=pt2": "fromat=pt2: there are format, data and trust. Did you mean 'format'?",
    "outputs/r optimizer.lr=1": "optimizer.lr=1: there are format, data and trust.",
    "outputs/r data.pth=1": "'data.pth' is not a key of the config. Did you mean 'data.path'?",
    "outputs/r data.path=moved.csv": "data.path=moved.csv is not a file.",
    "outputs/r data.batch_size=0": "data.batch_size=0: a batch needs at least 1 example.",
    "outputs/r data.batch_size=many": "data.batch_size='many': a whole number or auto is needed.",
    "outputs/r data=digits": "digits.csv.gz has no column alcohol, which the run needs.",
    "outputs/none": "outputs/none is not the folder of a run, it does not exist.",
    "outputs": "outputs is not the folder of a run.",
    "outputs/r -o nowhere/net.pt2": "-o nowhere/net.pt2: the folder nowhere does not exist.",
    "outputs/r -o outputs": "outputs is a folder. Name a file in it, such as -o outputs/model.pt2.",
    "outputs/r format=onnx -o net.pt2": "-o net.pt2: such a file ends in .onnx, as does net.onnx.",
    "outputs/r -o net.pt": "-o net.pt: such a file ends in .pt2, as does net.pt2.",
}


def test_what_is_wrong_is_told_and_nothing_is_left(finished, call, capsys):
    finished("data=wine", *SHORT, "name=r")
    before = files(".")
    capsys.readouterr()
    for arguments, says in WRONG.items():
        assert call("export", *arguments.split()) == 1
        error = capsys.readouterr().err
        assert says in error
        assert error.startswith("Error: ")
        assert len(error.splitlines()) == 1
    assert files(".") == before


def test_a_run_that_has_not_finished_is_not_exported(finished, call, capsys):
    finished("data=wine", *SHORT, "name=r")
    Path("outputs/r/results.json").unlink()
    assert call("export", "outputs/r") == 1
    assert "outputs/r is not finished. Repeat its command" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to(finished, call, capsys, monkeypatch):
    finished("data=wine", *SHORT, "name=r")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert call("export", "outputs/r") == 1
    assert "The folder outputs/r cannot be written to. Choose another with -o FILE." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "package"),
    [("safetensors", "safetensors"), ("onnx", "onnx"), ("onnx", "onnxruntime"), ("onnx", "onnxscript")],
)
def test_a_missing_package_is_named(call, capsys, monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert call("export", "outputs/r", f"format={name}") == 1
    says = f'Error: format={name} needs the package {package}: pip install -e ".[export]"\n'
    assert capsys.readouterr().err == says


def test_a_net_that_torch_cannot_follow_keeps_its_parameters(train, call, capsys):
    train("data=wine", *OWN_NET, f"net._target_={__name__}.Branching", "trainer.max_epochs=1", "name=r")
    before = files("outputs")
    for name in ("pt2", "onnx"):
        assert call("export", "outputs/r", "trust=true", f"format={name}") == 1
        error = capsys.readouterr().err
        assert f"format={name}: torch.export cannot follow this net, format=state_dict keeps its parameters." in error
        assert "Traceback" not in error
        assert files("outputs") == before
    assert call("export", "outputs/r", "trust=true", "format=state_dict") == 0


def test_a_net_that_onnx_has_no_words_for_is_kept_by_torch(train, call, capsys):
    train("data=wine", *OWN_NET, f"net._target_={__name__}.Bessel", "trainer.max_epochs=1", "name=r")
    before = files("outputs")
    assert call("export", "outputs/r", "trust=true", "format=onnx") == 1
    [*_, line] = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "Error: format=onnx: ONNX has no words for this net, format=pt2 can keep it. No ONNX function"
    )
    assert files("outputs") == before
    assert call("export", "outputs/r", "trust=true") == 0


def test_a_net_too_large_for_onnx_is_told_so(finished, call, capsys, monkeypatch):
    finished("data=wine", *SHORT, "name=r")
    monkeypatch.setattr("src.formats.nets.LARGEST_ONNX", 100)
    assert call("export", "outputs/r", "format=onnx") == 1
    assert "format=onnx: such a file holds 2 GB, but this net has 0.0 GB. Use format=pt2." in capsys.readouterr().err


def test_a_net_that_answers_at_random_is_not_exported(train, call, capsys):
    train("data=wine", *OWN_NET, f"net._target_={__name__}.Random", "trainer.max_epochs=1", "name=r")
    before = files("outputs")
    for name in FILES:
        assert call("export", "outputs/r", "trust=true", f"format={name}") == 1
        assert "Does the net draw random numbers when it predicts?" in capsys.readouterr().err
    assert files("outputs") == before


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_a_file_that_answers_otherwise_is_not_kept(finished, call, capsys, monkeypatch, wrong):
    finished("data=diabetes", *SHORT, "name=r")
    assert call("export", "outputs/r", "-o", "old.pt2") == 0
    before, old = files("."), Path("old.pt2").read_bytes()
    pt2 = FORMATS["pt2"]

    def read(module: L.LightningModule, path: Path) -> Callable[[Tensor], Tensor]:
        answer = pt2.read(module, path)
        return lambda x: answer(x) * (1 + wrong)

    monkeypatch.setitem(FORMATS, "pt2", pt2._replace(read=read))
    assert call("export", "outputs/r", "-o", "old.pt2") == 1
    assert "The file's predictions differ from the run's by up to" in capsys.readouterr().err
    assert files(".") == before
    assert Path("old.pt2").read_bytes() == old


@pytest.mark.parametrize("name", ["pt2", "state_dict", "safetensors"])
def test_a_full_disk_is_told_and_leaves_nothing(finished, call, capsys, name):
    finished("data=wine", *SHORT, "name=r")
    before = files("outputs")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        assert call("export", "outputs/r", f"format={name}") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert re.fullmatch(r"Error: outputs/r/export/\S+ cannot be written: File too large\. Make room .*\n", said), said
    assert files("outputs") == before


def test_what_may_take_a_minute_has_a_bar(finished, call, monkeypatch):
    finished("data=wine", *SHORT, "name=r")
    moved: list[tuple[str, float]] = []

    @contextmanager
    def shown(what: str, total: float) -> Iterator[Callable[[float], None]]:
        yield lambda amount: moved.append((what, amount / total))

    monkeypatch.setattr("src.export.progress", shown)
    assert call("export", "outputs/r", "format=state_dict", "-o", "p.pt") == 0
    assert moved == [("exporting", 0.5)]


def test_single_examples_are_compared_too(finished):
    finished("data=wine", *SHORT, "name=r")
    module, sizes = Run("outputs/r").load(), []

    def answer(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return module(x)

    assert _difference(module, answer, torch.rand(40, 13)) == 0
    assert sizes[0] == 1
    assert sum(sizes) == 40
