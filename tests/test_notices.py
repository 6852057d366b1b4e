"""What looks wrong in a run that goes on all the same is told in a line."""

from __future__ import annotations

import logging
import re

import pytest
import torch
from torch import Tensor, nn

from src.console.quiet import quiet
from src.learning.check import tell_probabilities
from src.tasks import Classification
from tests.sources import description

OWN = ("data=wine", "net=linear", "~net.hidden", "~net.activation", "~net.dropout")
TINY = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=1")


class Unused(nn.Module):
    """A net with a layer that forward forgets."""

    def __init__(self, input_shape: tuple[int], output_size: int) -> None:
        super().__init__()
        self.used, self.forgotten = nn.Linear(input_shape[0], output_size), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


class Constant(Unused):
    def forward(self, x: Tensor) -> Tensor:
        return 0 * self.used(x) + self.used.bias


@pytest.mark.quick
def test_an_ordinary_run_has_none(train, capsys):
    train(*TINY)
    assert capsys.readouterr().err == ""


def test_parameters_that_do_not_learn_are_named(train, capsys):
    train(*OWN, "net._target_=tests.test_notices.Unused", "trainer.max_epochs=2")
    assert capsys.readouterr().err.count("An epoch has left net.forgotten.weight, net.forgotten.bias as they were") == 1


def test_frozen_ones_are_not(train, capsys):
    train(*TINY, "freeze=['1.*']")
    assert "as they were" not in capsys.readouterr().err


def test_small_predictions_are_not_said_to_be_the_same(train, capsys):
    line = ("data=line", "data.slope=1e-9", "data.intercept=0", "data.noise=0", "net=linear")
    assert train(*line, "trainer.max_epochs=1")["test/r2"] < 1
    assert "are the same" not in capsys.readouterr().err


def test_predictions_that_are_all_the_same_are_told(train, capsys):
    train(*OWN, "net._target_=tests.test_notices.Constant", "trainer.max_epochs=1")
    assert "The predictions for all 27 test examples are the same" in capsys.readouterr().err


def test_a_batch_that_is_larger_than_the_split_is_told(train, capsys):
    train(*TINY, "data.batch_size=200")
    assert "data.batch_size=200 is more than the 124 training examples" in capsys.readouterr().err


class Greedy(Unused):
    def forward(self, x: Tensor) -> Tensor:
        return self.used(x) + (torch.empty(2**46).sum() if self.training else 0)


def test_a_net_that_does_not_fit_into_memory_says_how_large_it_is(call, capsys):
    assert call("train", *OWN, "net._target_=tests.test_notices.Greedy", "trainer.max_epochs=1") == 1
    error = capsys.readouterr().err
    assert "The parameters take 2.48e-07 GB; to train them takes four times that" in error
    assert "Error: Out of memory, 281,475.0 GB more were asked for (test_notices.py, line" in error
    assert "Make the net or data.batch_size smaller." in error
    assert "Traceback" not in error


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_of_lightning_nothing_but_a_profile_is_heard(is_asked_for):
    quiet(but_profiler=is_asked_for)
    told = {name: logging.getLogger(f"lightning.pytorch.{name}") for name in ("profilers.profiler", "utilities")}
    assert {name: logger.isEnabledFor(logging.INFO) for name, logger in told.items()} == {
        "profilers.profiler": is_asked_for,
        "utilities": False,
    }


def test_importances_of_no_columns_are_none(train, capsys):
    train("net.hidden=[8]", "trainer.max_epochs=1", "importance=true")
    assert "importance=true draws nothing here" in capsys.readouterr().err


def test_without_a_terminal_there_is_a_line_now_and_then(train, capsys, monkeypatch):
    monkeypatch.setattr("src.console.lines.EVERY", 0.0)
    monkeypatch.setattr("src.callbacks.progress.RunProgress._is_due", lambda self: self.bar is not None)
    train("data=wine", "net.hidden=[4]", "trainer.max_epochs=3", "steps_per_execution=1")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert lines[0] == "epoch 1/3  0:00:00 gone  0:00:00 left"
    assert re.fullmatch(r"epoch 3/3  val/loss \S+  val/accuracy \S+  0:00:0\d gone  0:00:00 left", lines[-1])


def test_the_bar_moves_while_epochs_are_short(train, capsys, monkeypatch):
    """The end of an epoch is no drawing, after which the next one would not be due yet."""
    monkeypatch.setattr("src.console.lines.EVERY", 0.0)
    train("data=wine", "net.hidden=[4]", "trainer.max_epochs=100", "callbacks.early_stopping=null")
    epochs = re.findall(r"^epoch (\d+)/100 ", capsys.readouterr().err, re.MULTILINE)
    assert len(set(epochs)) > 2


def test_what_is_short_says_nothing_without_a_terminal(train, capsys):
    train("data=wine", "net.hidden=[4]", "trainer.max_epochs=3")
    assert " gone" not in capsys.readouterr().err


class Softmax(nn.Sequential):
    def __init__(self, input_shape: tuple[int], output_size: int) -> None:
        super().__init__(nn.Linear(input_shape[0], output_size), nn.Softmax(dim=-1))


class Sigmoid(nn.Sequential):
    def __init__(self, input_shape: tuple[int], output_size: int) -> None:
        super().__init__(nn.Linear(input_shape[0], output_size), nn.Sigmoid())


class Listed(Unused):
    def __init__(self, input_shape: tuple[int], output_size: int) -> None:
        super().__init__(input_shape, output_size)
        self.layers = [nn.Linear(4, 4)]


class AllListed(nn.Module):
    def __init__(self, input_shape: tuple[int], output_size: int) -> None:
        super().__init__()
        self.layers = [nn.Linear(input_shape[0], output_size)]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)


class Detached(Unused):
    def forward(self, x: Tensor) -> Tensor:
        return self.used(x).detach()


@pytest.mark.parametrize(("net", "data"), [("Softmax", "wine"), ("Sigmoid", "wine"), ("Sigmoid", "breast_cancer")])
def test_a_net_that_answers_probabilities_is_told(train, capsys, net, data):
    train(f"data={data}", *OWN[1:], f"net._target_=tests.test_notices.{net}", "trainer.max_epochs=1")
    assert "answers numbers between 0 and 1 only" in capsys.readouterr().err


class Bounded(Unused):
    """As a net for categories alone, which reads the same however large they are."""

    def forward(self, x: Tensor) -> Tensor:
        return self.used(torch.cos(x))


def test_outputs_that_lie_between_0_and_1_by_chance_are_not_told(capsys):
    task, x = Classification(description(classes=["a", "b"])), torch.zeros(2, 3)
    with torch.random.fork_rng(), torch.no_grad():
        for seed in range(20):
            torch.manual_seed(seed)
            net = Bounded((3,), 1)
            tell_probabilities("Bounded", net, task, net(x), x)
    assert capsys.readouterr().err == ""


def test_layers_in_a_list_are_told(train, call, capsys):
    train(*OWN, "net._target_=tests.test_notices.Listed", "trainer.max_epochs=1")
    assert "Listed.layers holds layers that do not learn" in capsys.readouterr().err
    assert call("train", *OWN, "net._target_=tests.test_notices.AllListed") == 1
    assert capsys.readouterr().err.startswith("Error: net: it has no parameters that learn.")


def test_a_net_that_detaches_is_told(call, capsys):
    assert call("train", *OWN, "net._target_=tests.test_notices.Detached", "trainer.max_epochs=1") == 1
    assert "is there a detach() or no_grad() in it?" in capsys.readouterr().err.splitlines()[-1]
