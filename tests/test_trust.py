"""A run folder or a checkpoint from a stranger is safe to open: what it names is built only if it may be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from src.config.build import LIBRARIES, build, locate
from src.config.trust import trusted
from src.console.messages import UserError
from src.files.checksum import file_digest
from src.files.results import read_results, write_results
from src.module import SupervisedModule
from src.run import Run
from tests.conftest import PROJECT

TINY = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=2")
RUN = Path("outputs/foreign")
BEST = RUN / "checkpoints" / "best.ckpt"
MARK = Path("pwned")
TOUCH = {"_target_": "torch.utils.collect_env.run", "command": f"touch {MARK}"}  # Hydra lets it pass
LAYER = {"_target_": "torch.nn.ReLU"}
OPENED = {
    "evaluate": ["evaluate", str(RUN)],
    "export": ["export", str(RUN)],
    "predict": ["predict", str(RUN), "new.csv", "-o", "answers.csv"],
    "repeat": ["repeat", str(RUN)],
}


@pytest.fixture
def foreign(finished: Callable[..., dict[str, Any]]) -> Path:
    """The folder of a run whose author may now write anything into it, and a table to predict from."""
    finished(*TINY, "name=foreign")
    shipped = PROJECT / "src/datasets/shipped/wine.csv"
    Path("new.csv").write_text(shipped.read_text() if shipped.exists() else "")
    return RUN


def change_config(key: str, value: Any) -> None:
    """Write a value, as it is, into a run's config."""
    file = RUN / ".hydra" / "config.yaml"
    cfg = OmegaConf.load(file)
    OmegaConf.update(cfg, key, value, merge=False, force_add=True)
    file.write_text(OmegaConf.to_yaml(cfg))


def change_checkpoint(change: Callable[[dict[str, Any]], Any], name: str = "best") -> None:
    """Change a checkpoint; results.json has its author's checksum."""
    path = RUN / "checkpoints" / f"{name}.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    if name == "best":
        results = read_results(RUN / "results.json")
        write_results(RUN / "results.json", **results | {"checkpoint": file_digest(BEST)})


def change_parameter(part: str, value: Any) -> None:
    change_checkpoint(lambda checkpoint: checkpoint["hyper_parameters"].update({part: value}))


def net(**changes: Any) -> dict[str, Any]:
    return {"_target_": "src.nets.MLP", "hidden": [8], "activation": "ReLU", "dropout": 0.0, **changes}


# Hyperparameters in a checkpoint, each of which runs something, or reads what is not its own, if it is believed.
IN_A_CHECKPOINT = {
    "a net that is a command": ("net", TOUCH),
    "a command for a number": ("net", net(dropout=TOUCH)),
    "in a list": ("net", net(hidden=[8, [TOUCH]])),
    "in a tuple": ("net", net(hidden=(TOUCH,))),
    "in a dict without a target": ("net", net(dropout={"a": {"b": [TOUCH]}})),
    "under a key of Hydra's": ("net", net(_args_=[TOUCH])),
    "where Hydra is told not to look": ("net", net(_recursive_=False, dropout=TOUCH)),
    "as a partial": ("net", net(dropout={**TOUCH, "_partial_": True})),
    "inside of a layer": ("net", {"_target_": "torch.nn.Sequential", "_args_": [LAYER, {**LAYER, "inplace": TOUCH}]}),
    "built-in": ("net", net(dropout={"_target_": "builtins.eval", "_args_": [f"open('{MARK}', 'w')"]})),
    "by the os": ("net", net(dropout={"_target_": "os.system", "command": f"touch {MARK}"})),
    "by way of another module": ("net", net(dropout={"_target_": "src.files.atomic.os.mkdir", "path": str(MARK)})),
    "by way of a module of the project": (
        "net",
        net(dropout={"_target_": "src.datamodule.torch.hub.load", "repo_or_dir": ".", "source": "local", "model": "m"}),
    ),
    "by way of a class": ("net", net(dropout={"_target_": "src.nets.MLP.forward.__globals__", "x": 1})),
    "a pickle that torch would run": (
        "net",
        net(dropout={"_target_": "torch.load", "f": "evil.pt", "weights_only": False}),
    ),
    "code from a folder": (
        "net",
        net(dropout={"_target_": "torch.hub.load", "repo_or_dir": ".", "source": "local", "model": "m"}),
    ),
    "Hydra's own function": ("net", net(dropout={"_target_": "hydra.utils.get_method", "path": "os.system"})),
    "Hydra's other function": ("net", net(dropout={"_target_": "hydra.utils.instantiate", "config": TOUCH})),
    "a function of the project": (
        "net",
        net(dropout={"_target_": "src.files.atomic.write_text", "path": str(MARK), "text": ""}),
    ),
    "a function of a package that is known": (
        "net",
        net(dropout={"_target_": "lightning.pytorch.cli.instantiate_module"}),
    ),
    "a class of another kind": (
        "net",
        net(dropout={"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": str(MARK)}),
    ),
    "a file in the current folder": ("net", net(dropout={"_target_": "evil.Net"})),
    "a file called like the examples": ("net", net(dropout={"_target_": "examples.evil.Net"})),
    "a task": ("task", TOUCH),
    "a loss": ("loss", TOUCH),
    "a weight": ("loss", {"_target_": "torch.nn.CrossEntropyLoss", "weight": TOUCH}),
    "a metric": ("metrics", {"m": TOUCH}),
    "a metric that is imported to be looked at": ("metrics", {"m": {"_target_": "evil.Metric"}}),
    "a metric of a room where some fetch code": (
        "metrics",
        {"m": {"_target_": "torchmetrics.image.UniversalImageQualityIndex"}},
    ),
    "a spec that Hydra would make of a text": ("net", net(dropout="${oc.create:{_target_: evil.Net}}")),
    "a target that is no text": ("net", {"_target_": ["os.system"]}),
    "no target": ("net", {"hidden": [8]}),
    "an instantiator": ("_instantiator", "evil.Net"),
}

OTHERWISE = ("a spec that Hydra would make of a text", "a target that is no text", "no target", "an instantiator")


@pytest.fixture
def evil() -> None:
    """Files in the current folder, where Python looks first, that leave a mark when they are imported or read."""
    Path("examples").mkdir()
    code = f"from pathlib import Path\nPath('{MARK}').touch()\nimport torch\nNet = Metric = m = torch.nn.Identity\n"
    for file in ("evil.py", "examples/__init__.py", "examples/evil.py", "hubconf.py"):
        Path(file).write_text(code)
    torch.save(Pickled(), "evil.pt")


class Pickled:
    def __reduce__(self) -> tuple:
        return os.mkdir, (str(MARK),)


@pytest.mark.parametrize("attack", IN_A_CHECKPOINT)
def test_a_checkpoint_runs_nothing(foreign, evil, monkeypatch, attack):
    monkeypatch.delitem(sys.modules, "examples", raising=False)  # as in a new process
    monkeypatch.syspath_prepend(str(Path.cwd()))
    part, value = IN_A_CHECKPOINT[attack]
    change_parameter(part, value)
    for load in (Run(RUN).load, lambda: SupervisedModule.load_from_checkpoint(BEST, weights_only=True)):
        with pytest.raises(UserError) as error:
            load()
        assert len(str(error.value).splitlines()) <= 2
        assert attack in OTHERWISE or "could run any code" in str(error.value)
        assert not MARK.exists()


def test_the_same_checkpoints_would_run_it(foreign, evil, monkeypatch):
    monkeypatch.syspath_prepend(str(Path.cwd()))
    change_parameter("net", net(dropout=TOUCH))
    with pytest.raises(Exception):  # noqa: B017, PT011 a command's result is no dropout
        Run(RUN, trust=True).load()
    assert MARK.exists()


def test_a_secret_is_not_read(foreign, call, capsys, monkeypatch):
    monkeypatch.setenv("SECRET", "swordfish")
    change_parameter("net", net(activation="${oc.env:SECRET}"))
    with pytest.raises(UserError) as error:
        SupervisedModule.load_from_checkpoint(BEST)
    assert "swordfish" not in str(error.value)
    config = (RUN / ".hydra" / "config.yaml").read_text()
    for key in ("data.path", "data.batch_size", "seed", "name"):
        for text in ("${oc.env:SECRET}", "x${ oc.env : SECRET }", "${${seed}:SECRET}", "${oc.${name}:SECRET}"):
            (RUN / ".hydra" / "config.yaml").write_text(config)
            change_config(key, text)
            assert call("evaluate", str(RUN)) == 1
            said = capsys.readouterr()
            assert f"{key}={text}: what a run folder" in said.err
            assert "swordfish" not in said.out + said.err


# Keys of a run's config, with what its author writes there.
IN_A_CONFIG = {
    "a dataset": ("data.dataset", TOUCH),
    "a parameter of a dataset": ("data.path", TOUCH),
    "data": ("data", {**TOUCH, "batch_size": 1, "num_workers": 0}),
    "in a list": ("data.drop", [[TOUCH]]),
    "a task beside the data": ("data.task", TOUCH),
    "a function of the project": ("data.dataset", {"_target_": "src.files.atomic.write_text", "path": "pwned"}),
    "a helper of a dataset": ("data.dataset", {"_target_": "src.datasets.tables.conversion.converted"}),
    "a method": ("data.dataset", {"_target_": "src.datasets.arrays.Arrays.read_target"}),
    "a file in the current folder": ("data.dataset._target_", "evil.Net"),
    "a file called like the examples": ("data.dataset._target_", "examples.evil.Net"),
    "by way of another module": ("data.dataset._target_", "src.datasets.description.torch.hub.load"),
    "a spec that is made of a text": ("data.path", "${oc.create:{_target_: evil.Net}}"),
    "a plugin": ("trainer.plugins", [TOUCH]),
    "a profiler": ("trainer.profiler", TOUCH),
    "a logger": ("trainer.logger", [TOUCH]),
    "a strategy": ("trainer.strategy", {"_target_": "evil.Net"}),
    "a trainer": ("trainer._target_", "torch.utils.collect_env.run"),
    "a module": ("module._target_", "evil.Net"),
}


@pytest.mark.parametrize("attack", IN_A_CONFIG)
def test_a_config_runs_nothing(foreign, evil, call, capsys, monkeypatch, attack):
    monkeypatch.delitem(sys.modules, "examples", raising=False)  # as in a new process
    monkeypatch.syspath_prepend(str(Path.cwd()))
    key, value = IN_A_CONFIG[attack]
    change_config(key, value)
    assert call("evaluate", str(RUN)) == 1
    said = capsys.readouterr().err
    assert not MARK.exists()
    assert "Traceback" not in said
    assert "trust=true" in said
    assert key.partition(".")[0] in said


@pytest.mark.quick
@pytest.mark.parametrize("verb", OPENED)
def test_no_verb_runs_what_a_folder_names(foreign, call, capsys, verb):
    change_config("data.dataset", TOUCH)
    change_parameter("net", net(dropout=TOUCH))
    assert call(*OPENED[verb]) == 1
    assert "_target_=torch.utils.collect_env.run: a run folder or checkpoint names it" in capsys.readouterr().err
    assert not MARK.exists()


@pytest.mark.quick
@pytest.mark.parametrize(
    "text", ["!!python/object/apply:os.mkdir [pwned]", "data: !!python/name:os.system", "{{", "- 1"]
)
def test_a_yaml_file_runs_nothing(foreign, call, capsys, text):
    (RUN / ".hydra" / "config.yaml").write_text(text)
    assert call("evaluate", str(RUN)) == 1
    said = capsys.readouterr().err
    assert f"{RUN}/.hydra/config.yaml is damaged" in said
    assert not MARK.exists()


def test_what_new_inputs_are_read_with_is_not_chosen_by_a_checkpoint(foreign, call, capsys):
    for reader in (TOUCH, {"_target_": "src.datasets.arrays.ArrayReader", "shape": [TOUCH], "indices": False}):
        change_checkpoint(lambda checkpoint: checkpoint["DataModule"]["description"].update(reader=reader))  # noqa: B023
        assert call(*OPENED["predict"]) == 1
        assert "_target_=torch.utils.collect_env.run: a run folder or checkpoint names it" in capsys.readouterr().err
        assert not MARK.exists()
        assert not Path("answers.csv").exists()


def test_a_foreign_run_that_goes_on_runs_nothing(train, call, capsys, monkeypatch):
    train(*TINY, "name=foreign")
    monkeypatch.setenv("SECRET", "swordfish")
    for name in ("last", "best"):
        change_checkpoint(lambda checkpoint: checkpoint["hyper_parameters"].update(net=TOUCH), name)
    (RUN / "results.json").unlink()
    assert call("train", *TINY, "name=foreign") == 0
    assert read_results(RUN / "results.json")["status"] == "finished"
    with pytest.raises(UserError, match="could run any code"):
        Run(RUN).load()

    change_config("callbacks.mine", TOUCH)
    change_config("data.path", "${oc.env:SECRET}")
    (RUN / "results.json").unlink()
    capsys.readouterr()
    assert call("train", *TINY, "name=foreign") == 1
    said = capsys.readouterr().err
    assert "holds a run with data.path=${oc.env:SECRET}" in said
    assert "swordfish" not in said
    assert not MARK.exists()


@pytest.mark.quick
def test_weights_only_cannot_be_given_up(foreign):
    with pytest.raises(UserError, match="weights_only=True"):
        SupervisedModule.load_from_checkpoint(BEST, weights_only=False)


def own_data() -> None:
    """A data source of the user's own, in the current folder."""
    Path("odd_data.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n\n\ndef points(size):\n"
        "    x = torch.linspace(-1, 1, size).unsqueeze(1)\n    return TensorDataset(x, 2 * x)\n"
    )


@pytest.fixture
def own_run(train, monkeypatch) -> Path:
    """A run on those data."""
    own_data()
    monkeypatch.syspath_prepend(str(Path.cwd()))
    train("data=own", "data.dataset._target_=odd_data.points", "+data.size=60", "trainer.max_epochs=1", "name=own")
    return Path("outputs/own")


def test_ones_own_package_is_a_word_away(own_run, call, capsys, monkeypatch, folder):
    capsys.readouterr()
    assert call("evaluate", str(own_run)) == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: data.dataset._target_=odd_data.points: ")
    assert "trust=true (from Python trust=True), or once in conf/train.yaml trusted: [odd_data]." in said
    assert call("evaluate", str(own_run), "trust=true", "--split", "val") == 0
    assert call("export", str(own_run), "format=state_dict", "trust=true") == 0
    assert Run(own_run, trust=True).data().splits["train"]
    assert call("evaluate", str(own_run), "trust=yes") == 1
    assert "trust=yes: true or false is needed." in capsys.readouterr().err

    (folder / "conf").mkdir()
    (folder / "conf" / "train.yaml").write_text("trusted: [odd_data]\n")
    monkeypatch.setattr("src.config.trust.CONF", folder / "conf")
    assert call("evaluate", str(own_run)) == 0
    with pytest.raises(UserError, match="could run any code"):
        locate("data", "odd_data.torch.hub.load")


def test_a_folder_does_not_say_itself_whom_to_trust(own_run, call, capsys):
    file = own_run / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("trusted: []", "trusted: [odd_data]"))
    assert "trusted: [odd_data]" in file.read_text()
    assert call("evaluate", str(own_run)) == 1
    assert "could run any code" in capsys.readouterr().err
    assert call("train", "data=wine", "trusted=[odd_data]") == 1
    assert "trusted=['odd_data']: write it into conf/train.yaml." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "target"),
    {
        "net": "examples.segmentation.segmentation.UNet",
        "task": "examples.autoencoder.autoencoder.Reconstruction",
        "module": "examples.gan.gan.GAN",
        "data": "examples.segmentation.shapes.shapes",
        "net.block": "torch.nn.Linear",
        "loss": "src.by_hand.CrossEntropyLoss",
        "optimizer": "src.by_hand.SGD",
        "module.optimizer": "torch.optim.AdamW",
        "scheduler": "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "metrics.kappa": "torchmetrics.CohenKappa",
        "trainer": "lightning.Trainer",
        "trainer.plugins.0": "src.files.checkpoints.AtomicCheckpointIO",
        "trainer.plugins.1": "lightning.pytorch.plugins.MixedPrecision",
        "trainer.plugins.2": "lightning.pytorch.plugins.environments.SLURMEnvironment",
        "trainer.profiler": "lightning.pytorch.profilers.SimpleProfiler",
        "trainer.logger": "lightning.pytorch.loggers.CSVLogger",
        "trainer.strategy": "lightning.pytorch.strategies.DDPStrategy",
        "data.task": "src.tasks.auto",
    }.items(),
)
def test_what_is_known_is_built_unasked(place, target):
    assert callable(locate(place, target))


@pytest.mark.parametrize("file", sorted((PROJECT / "conf").rglob("*.yaml")), ids=lambda file: file.stem)
def test_all_that_the_project_offers_may_be_named_by_a_run(file):
    group = file.parent.name
    spec = OmegaConf.load(file)
    assert isinstance(spec, dict) or OmegaConf.is_dict(spec)
    place = {"conf": "", "data": "data.dataset"}.get(group, group)
    target = OmegaConf.select(spec, "dataset._target_" if group == "data" else "_target_", default=None)
    if target is not None and target.partition(".")[0] in ("src", *LIBRARIES):  # else it is an owner's
        assert callable(locate(place, target))


def test_trust_ends_where_it_was_given():
    with trusted():
        assert build({"_target_": "builtins.dict", "a": 1}, "net") == {"a": 1}
        with trusted(False), pytest.raises(UserError):
            build({"_target_": "builtins.dict"}, "net")
    with pytest.raises(UserError):
        build({"_target_": "builtins.dict"}, "net")
