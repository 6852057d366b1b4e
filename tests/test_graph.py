"""The net's graph: drawn for the eye, without a trace in the run."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from src.config.build import build
from src.config.compose import compose
from src.files.checkpoints import load_checkpoint
from src.module import SupervisedModule
from src.plots.graph import Graph
from tests.sources import description

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
SHORT = ("data=digits", "trainer.max_epochs=2", "trainer.limit_train_batches=3")


def texts(path: str) -> list[str]:
    """What stands in a picture, from top to bottom."""
    return [str(text.text).strip() for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


class Bare(SupervisedModule):
    """A net alone."""

    def __init__(self, net: nn.Module) -> None:
        L.LightningModule.__init__(self)
        self.net = net

    def inputs(self, x: Tensor) -> Tensor:
        return x


def draw(net: nn.Module, x: Tensor, depth: int = 2) -> list[str]:
    data = SimpleNamespace(examples=lambda: (x, None))
    trainer: Any = SimpleNamespace(is_global_zero=True, default_root_dir=".", datamodule=data)
    Graph(enabled=True, depth=depth).on_train_start(trainer, Bare(net))
    return texts("plots/graph.svg")


@needs_graphviz
def test_it_names_the_layers_and_their_shapes_for_one_example(train):
    train(*SHORT, "graph=true", "net=cnn", "name=r")
    said = texts("outputs/r/plots/graph.svg")
    layers = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"] * 2 + ["Flatten", "Dropout", "Linear"]
    assert [text for text in said if text in layers] == layers
    assert said[2] == "(1, 1, 8, 8)"
    assert said[-1] == "(1, 10)"
    assert {path.name for path in Path("outputs/r/plots").iterdir()} >= {"graph.svg", "learning_curve.png"}
    assert {path.name for path in Path.cwd().iterdir()} == {"outputs"}


@needs_graphviz
def test_a_run_has_the_same_weights_with_it_and_without(train):
    train(*SHORT, "net=mlp", "name=without")  # with dropout, which would draw other numbers
    train(*SHORT, "graph=true", "net=mlp", "name=with")
    states = [load_checkpoint(f"outputs/{name}/checkpoints/last.ckpt") for name in ("without", "with")]
    for name, value in states[0]["state_dict"].items():
        assert torch.equal(value, states[1]["state_dict"][name])
    random_states = [state["callbacks"]["LastCheckpoint"]["random"][0]["torch"] for state in states]
    assert torch.equal(*random_states)


@needs_graphviz
def test_the_net_stays_as_it_was():
    class Noisy(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + torch.rand(1))

    net = Noisy(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    net[1].eval()  # frozen, while the rest learns
    before, random_state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    draw(net, torch.ones(2, 3))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [layer.training for layer in net.modules()] == [True, True, False, True]
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in net.modules())
    assert type(torch.zeros(1)) is Tensor


@needs_graphviz
def test_depth_says_how_far_blocks_are_opened():
    net = nn.Sequential(nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Tanh()))
    assert "Linear" not in draw(net, torch.rand(2, 3), depth=2)
    assert "Linear" in draw(net, torch.rand(2, 3), depth=3)


@needs_graphviz
def test_a_cell_of_a_long_sequence_is_drawn_once():
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRUCell(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            h = x.new_zeros(len(x), 4)
            for x_t in x.unbind(dim=1):
                h = self.cell(x_t, h)
            return h

    assert draw(Loop(), torch.rand(2, 200, 3)).count("GRUCell") == 1


class Refusing(nn.Module):
    """Wants a plain tensor, which torchview's is not."""

    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.out = nn.Linear(input_shape[0], output_size)

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise TypeError("a plain tensor is needed\nand nothing else")
        return self.out(x)


@needs_graphviz
def test_a_net_that_cannot_be_drawn_is_trained_all_the_same(train, capsys):
    own = ("net=linear", "~net.hidden", "~net.activation", "~net.dropout", f"net._target_={__name__}.Refusing")
    assert train("data=wine", "trainer.max_epochs=1", *own, "graph=true", "name=r")["status"] == "finished"
    assert capsys.readouterr().err == "Warning: the net's graph cannot be drawn: a plain tensor is needed\n"
    assert not Path("outputs/r/plots/graph.svg").exists()


@needs_graphviz
def test_graphviz_may_not_think_for_ever(monkeypatch, capsys):
    def waits(*_: Any, timeout: float, **__: Any) -> None:
        raise subprocess.TimeoutExpired("dot", timeout)

    monkeypatch.setattr(subprocess, "run", waits)
    with pytest.raises(FileNotFoundError, match=r"graph\.svg"):
        draw(nn.Linear(3, 4), torch.rand(2, 3))
    assert "cannot be drawn: Command 'dot' timed out after 20 seconds" in capsys.readouterr().err


def test_what_is_missing_is_told_before_anything_starts(call, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert call("train", *SHORT, "graph=true", "name=r") == 1
    says = "Error: graph=true needs Graphviz: apt install graphviz, or brew install graphviz\n"
    assert capsys.readouterr().err == says
    monkeypatch.setitem(__import__("sys").modules, "torchview", None)
    assert call("train", *SHORT, "graph=true", "name=r") == 1
    says = 'Error: graph=true needs the package torchview: pip install -e ".[graph]"\n'
    assert capsys.readouterr().err == says
    assert not Path("outputs/r").exists()


@needs_graphviz
def test_a_depth_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"depth=0: at least 1."):
        Graph(enabled=True, depth=0)


@needs_graphviz
def test_a_compiled_net_is_drawn_too():
    module = build(compose("net.hidden=[8]", "task=regression").module, "module")
    module.build_for(description(input_shape=(3,)))
    module.net.compile(backend="eager")
    assert "Linear" in draw(module.net, torch.rand(2, 3))
