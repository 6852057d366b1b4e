"""examples/gan: a LightningModule of one's own takes the place of SupervisedModule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor

from examples.gan.gan import GAN, told_apart
from src.run import Run
from tests.conftest import PROJECT
from tests.test_resume import epochs

EXAMPLE = ["--config-dir", str(PROJECT / "examples/gan/conf"), "experiment=gan", "data.batch_size=64"]
SHORT = ["module.hidden=32", "trainer.max_epochs=2"]
PARAMETERS = ["+module.image_shape=[1,8,8]", "+module.brightest=16.0", "+module.noise=4", "+module.hidden=16"]


class WithForward(GAN):
    """Makes an image of noise, but does not say how that becomes a table; is not tested."""

    test_step = L.LightningModule.test_step

    def forward(self, x: Tensor) -> Tensor:
        return self.generator(x)


@pytest.mark.usefixtures("real_pictures")
def test_it_leaves_what_every_run_leaves(train, call, capsys):
    results = train(*EXAMPLE, "name=gan", "trainer.max_epochs=12")
    run = Run("outputs/gan")
    assert results["status"] == "finished"
    assert 0.5 < results["test/told_apart"] < 1
    assert {"train/d_loss", "train/g_loss", "val/told_apart"} <= epochs("gan")[0].keys()
    assert {path.name for path in (run.folder / "plots").iterdir()} == {"learning_curve.png", "samples.png"}
    best = min(epochs("gan"), key=lambda row: float(row["val/told_apart"]))
    assert float(best["val/told_apart"]) == pytest.approx(results["val/told_apart"])

    capsys.readouterr()
    assert call("evaluate", "outputs/gan") == 0
    assert f"test/told_apart  {results['test/told_apart']:.4f}" in capsys.readouterr().out
    images = run.load().generate(5)
    assert images.shape == (5, 1, 8, 8)
    assert 0 <= images.min() < 4 < 12 < images.max() <= 16
    for command in (["predict", "outputs/gan", "new.csv", "-o", "p.csv"], ["export", "outputs/gan"]):
        assert call(*command) == 1
        said = capsys.readouterr().err
        assert said == f"Error: GAN has no method `forward`, which src.{command[0]} needs: add it.\n"


class Counting(L.LightningModule):
    """Learns by no optimizer, and names its metrics as Lightning's own examples do."""

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(3))
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: list[Tensor]) -> Tensor:
        self.counts += batch[1].bincount(minlength=3)
        return 0 * self.unused

    def validation_step(self, batch: list[Tensor]) -> None:
        self.log("val_acc", (batch[1] == self.counts.argmax()).float().mean())

    def test_step(self, batch: list[Tensor]) -> None:
        self.log("test_acc", (batch[1] == self.counts.argmax()).float().mean())

    def configure_optimizers(self) -> None:
        """There is none."""


@pytest.mark.filterwarnings("ignore:.*this fit will run with no optimizer")
def test_it_may_have_no_optimizer_and_names_of_its_own(train, capsys):
    target = "module._target_=tests.test_examples_own_module.Counting"
    results = train("data=wine", target, "monitor=val_acc", "mode=max", "trainer.max_epochs=2", "name=counted")
    assert capsys.readouterr().out.split()[-3:] == ["test_acc", f"{results['test_acc']:.4f}", "outputs/counted"]
    assert [row["val_acc"] for row in epochs("counted")]


def test_a_sweep_and_the_last_epoch(call):
    assert call("train", "-m", *EXAMPLE, *SHORT, "name=study", "seed=0,1", "monitor=null", "mode=null") == 0
    runs = sorted(Path("outputs/study").glob("*seed=*"), key=lambda run: "seed=1" in run.name)
    weights = [Run(run).load().generator[0].weight for run in runs]
    assert not torch.equal(*weights)
    assert len(epochs(f"study/{runs[1].name}")) == 2


def test_a_metric_that_it_does_not_log_is_refused(call, capsys):
    assert call("train", *EXAMPLE, *SHORT, "monitor=val/told_appart") == 1
    assert "Error: monitor=val/told_appart is not measured. Did you mean 'val/told_apart'?" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["net=cnn", "loss=huber", "standardize=false", "calibrate=true"])
def test_a_part_that_it_does_not_take_is_refused(call, capsys, part):
    assert call("train", *EXAMPLE, part) == 1
    assert capsys.readouterr().err == f"Error: {part}: examples.gan.gan.GAN takes no {part.partition('=')[0]}.\n"
    assert not list(Path("outputs").glob("*"))


def own(target: str, *more: str) -> list[str]:
    """The supervised module's YAML with another target: keys that this does not take are not passed on."""
    return [f"module._target_={target}", "monitor=null", "callbacks.early_stopping=null", "data.drop_last=true", *more]


def test_the_wiring_of_the_supervised_module_is_passed_on_where_it_is_taken(train, call, capsys):
    train(*own("tests.test_examples_own_module.WithForward", *PARAMETERS), "optimizer.lr=0.002", *SHORT[1:], "name=own")
    assert Run("outputs/own", trust=True).load().hparams["optimizer"]["lr"] == 0.002
    Path("new.csv").write_text("a\n1\n")
    refused = {
        "columns": ["predict", "outputs/own", "new.csv", "-o", "p.csv", "trust=true"],
        "test_step": ["evaluate", "outputs/own", "trust=true"],
    }
    for method, command in refused.items():
        capsys.readouterr()
        assert call(*command) == 1
        said = capsys.readouterr().err
        assert said == f"Error: WithForward has no method `{method}`, which src.{command[0]} needs: add it.\n"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["+module.nois=4"], "module.nois: examples.gan.gan.GAN has no such parameter. Did you mean 'noise'?"),
        (["+module.noise=many"], "module.noise='many': a whole number is needed."),
        ([], "module: examples.gan.gan.GAN: missing a required argument: 'noise'."),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changes, said, call, capsys):
    others = [parameter for parameter in PARAMETERS if "noise" not in parameter]
    assert call("train", *own("examples.gan.gan.GAN", *others, *changes)) == 1
    assert capsys.readouterr().err == f"Error: {said}\n"
    assert not list(Path("outputs").glob("*"))


def test_told_apart():
    images: Any = torch.randn(200, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert told_apart(images[:100], images[100:]) == pytest.approx(0.5, abs=0.1)
    assert told_apart(images[:100], images[100:] + 100) == 1
