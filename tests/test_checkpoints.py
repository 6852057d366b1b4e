"""Checkpoints: plain data, whole, and of use without the config."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from src.console.messages import UserError
from src.files.checkpoints import AtomicCheckpointIO, load_checkpoint
from src.module import SupervisedModule
from src.run import Run

TINY = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=2", "name=tiny")


def test_a_module_loads_without_its_config_and_answers_in_probabilities(finished):
    finished(*TINY)
    torch.load("outputs/tiny/checkpoints/last.ckpt", weights_only=True)
    module = SupervisedModule.load_from_checkpoint("outputs/tiny/checkpoints/best.ckpt", weights_only=True).eval()
    answers = module(100 * torch.rand(5, 13))
    assert answers.shape == (5, 3)
    assert torch.allclose(answers.sum(dim=1), torch.ones(5))


def test_a_regression_answers_in_the_targets_units(train):
    train("data=diabetes", "name=d", "trainer.max_epochs=5")
    run = Run("outputs/d")
    answers = run.load()(torch.tensor([[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.86, 87]]))
    assert answers.shape == (1, 1)
    assert 80 < answers.item() < 300


def test_the_binary_task_answers_for_both_classes(train):
    train("data=breast_cancer", "name=b", "trainer.max_epochs=1")
    module = Run("outputs/b").load()
    assert module.data.classes == ["benign", "malignant"]
    answers = module(torch.rand(4, 30))
    assert answers.shape == (4, 2)
    assert torch.allclose(answers.sum(dim=1), torch.ones(4))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # inside torch 2.13
def test_a_compiled_run_has_checkpoints_like_any_other(train):
    plain = train(*TINY)
    compiled = train(*TINY[:-1], "name=compiled", "compile=true")
    states = [load_checkpoint(f"outputs/{name}/checkpoints/best.ckpt")["state_dict"] for name in ("tiny", "compiled")]
    assert states[0].keys() == states[1].keys()
    assert compiled["test/loss"] == pytest.approx(plain["test/loss"], rel=1e-3)
    assert Run("outputs/compiled").load()(torch.rand(2, 13)).shape == (2, 3)


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip_four_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = content.index(b"data/0") + 200
    content[middle : middle + 4] = bytes(255 - b for b in content[middle : middle + 4])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_truncate, "is damaged, or no checkpoint"),
        (_flip_four_bytes, "is damaged, or no checkpoint"),
        (lambda path: path.write_text("not a checkpoint"), "is damaged, or no checkpoint"),
        (lambda path: path.write_bytes(b""), "is damaged, or no checkpoint"),
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: torch.save({"weights": torch.zeros(3)}, path), "is no checkpoint of a run"),
    ],
)
def test_a_broken_checkpoint_is_refused(finished, call, capsys, damage, says):
    finished(*TINY)
    damage(Path("outputs/tiny/checkpoints/best.ckpt"))
    assert call("evaluate", "outputs/tiny") == 1
    error = capsys.readouterr().err
    assert says in error
    assert "best.ckpt" in error
    assert "Traceback" not in error


def test_a_run_does_not_go_on_from_a_broken_checkpoint(finished, call, capsys):
    finished(*TINY)
    Path("outputs/tiny/results.json").unlink()
    _truncate(Path("outputs/tiny/checkpoints/last.ckpt"))
    assert call("train", *TINY) == 1
    error = capsys.readouterr().err
    assert "last.ckpt is damaged, or no checkpoint" in error
    assert "Traceback" not in error
    assert Path("outputs/tiny/checkpoints/best.ckpt").exists()


def test_a_checkpoint_of_another_net_is_refused(finished, call, capsys):
    finished(*TINY)
    finished("data=wine", "net.hidden=[16,16]", "trainer.max_epochs=2", "name=other")
    Path("outputs/tiny/results.json").unlink()
    shutil.copy("outputs/other/checkpoints/last.ckpt", "outputs/tiny/checkpoints/last.ckpt")
    assert call("train", *TINY) == 1
    assert "The checkpoint is of another net: it differs in net.1.bias" in capsys.readouterr().err


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("pwned",)


def test_a_pickle_in_a_checkpoint_is_never_run(finished, call, capsys, monkeypatch):
    finished(*TINY)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"state_dict": Evil(), "hyper_parameters": {}}, "outputs/tiny/checkpoints/best.ckpt")
    assert call("evaluate", "outputs/tiny") == 1
    assert not Path("pwned").exists()
    assert pickle.dumps(Evil())  # it would have been made, had it been read


@pytest.mark.quick
def test_a_write_that_breaks_off_leaves_the_old_checkpoint(folder, monkeypatch):
    path = folder / "last.ckpt"
    old = {"state_dict": {"w": torch.ones(2)}, "DataModule": {}}
    AtomicCheckpointIO().save_checkpoint(old, path)

    def fails(checkpoint: object, file: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(UserError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({}, path)
    assert torch.equal(load_checkpoint(path)["state_dict"]["w"], torch.ones(2))
    assert [p.name for p in folder.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(folder, monkeypatch):
    """Else a power cut could leave the name with nothing behind it; and the name is on the disk in the end."""
    path, synced = folder / "last.ckpt", []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((os.fstat(descriptor).st_ino, path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"w": torch.ones(2)}, "DataModule": {}}, path)
    assert synced == [(path.stat().st_ino, False), (folder.stat().st_ino, True)]
