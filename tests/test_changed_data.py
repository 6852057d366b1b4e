"""Data that are others than they were: a run does not go on with them, and a score says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from src.datasets.description import _fingerprint
from src.files.checksum import file_checksum, rows_checksum
from src.files.disk_rows import DiskRows
from tests.idx_files import write_idx
from tests.sources import data_module

QUICK = ["net.hidden=[4]", "callbacks.last.every_seconds=0.0", "callbacks.early_stopping=null", "trainer=cpu"]


def table(swapped: tuple[int, int] = (1, 1), value: str = "0.5") -> str:
    """400 rows; two of them change places, and one value in the middle changes."""
    random = np.random.default_rng(0)
    rows = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in random.random((400, 2))]
    rows[201] = f"{value},0.250,yes"
    i, j = swapped
    rows[i], rows[j] = rows[j], rows[i]
    return "\n".join(["a,b,bought", *rows, ""])


def fingerprint(*overrides: str, **changes: Any) -> str:
    return data_module(*overrides, **changes).description.fingerprint


def of_table(**options: Any) -> str:
    return fingerprint("data=table", "data.path=t.csv", "data.target=bought", **options)


CHANGES: dict[str, Any] = {"rows change places": {"swapped": (57, 58)}, "one value changes": {"value": "0.6"}}
ON_DISK: dict[str, Any] = {"in_memory": False, "cache": "cache"}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("options", [{}, ON_DISK], ids=["in memory", "converted"])
def test_any_change_of_a_table_is_seen(change, options):
    Path("t.csv").write_text(table())
    before, stat = of_table(**options), Path("t.csv").stat()
    assert of_table(**options) == before
    Path("t.csv").write_text(table(**CHANGES[change]))
    os.utime("t.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a copy that keeps the times
    assert Path("t.csv").stat().st_size == stat.st_size
    assert of_table(**options) != before


def test_a_table_is_the_same_in_memory_converted_and_copied_at_another_time(folder):
    Path("t.csv").write_text(table())
    before = of_table()
    assert of_table(**ON_DISK) == before
    (folder / "elsewhere").mkdir()
    shutil.copy("t.csv", "elsewhere/t.csv")
    assert fingerprint("data=table", "data.path=elsewhere/t.csv", "data.target=bought") == before


def save_arrays(path: str, x: np.ndarray, y: np.ndarray) -> None:
    if path.endswith(".npz"):
        np.savez(path, x=x, y=y)
    else:
        np.save(path, x)
        np.save(Path(path).with_name("y.npy"), y)


@pytest.mark.parametrize("path", ["d.npz", "x.npy"])
def test_any_change_of_arrays_is_seen(path):
    x, y = np.random.default_rng(0).random((300, 5)), np.arange(300) % 3
    arrays = ("data=arrays", f"data.path={path}")
    save_arrays(path, x, y)
    before = fingerprint(*arrays)
    assert fingerprint(*arrays) == before
    x[201, 3] += 1
    save_arrays(path, x, y)
    assert fingerprint(*arrays) != before
    x[201, 3] -= 1
    y[[100, 101]] = y[[101, 100]]
    save_arrays(path, x, y)
    assert fingerprint(*arrays) != before


def test_a_large_array_is_looked_at_in_blocks(monkeypatch):
    monkeypatch.setattr("src.files.checksum.BLOCK", 100)
    rows = np.arange(70.0).reshape(14, 5)
    Path("rows").write_bytes(rows.tobytes())
    assert rows_checksum(rows) == rows_checksum(DiskRows("rows", "float64", (14, 5))) == file_checksum(Path("rows"))
    monkeypatch.setattr("src.files.checksum.BLOCK", 2**22)
    assert rows_checksum(rows) == file_checksum(Path("rows"))


def test_any_change_of_pictures_is_seen(photos):
    def now(path: Path = photos) -> str:
        return fingerprint("data=images", f"data.path={path}", "data.size=8")

    before = now()
    shutil.copytree(photos, "elsewhere")
    assert now(Path("elsewhere")) == before
    (photos / "cat" / "3.jpg").rename(photos / "dog" / "30.jpg")
    assert now() != before
    (photos / "dog" / "30.jpg").rename(photos / "cat" / "3.jpg")
    assert now() == before
    content = bytearray((photos / "cat" / "3.jpg").read_bytes())
    content[300] ^= 1  # of a table of the JPEG: as many bytes as before
    (photos / "cat" / "3.jpg").write_bytes(content)
    assert now() != before


def test_any_change_of_idx_files_is_seen(idx_site):
    before = fingerprint("data=mnist", *idx_site)
    assert fingerprint("data=mnist", *idx_site) == before
    write_idx(Path("t10k-labels-idx1-ubyte.gz"), (np.arange(20, dtype="uint8") + 1) % 10)
    shutil.rmtree("cache")
    assert fingerprint("data=mnist", *idx_site) != before


def test_generated_data_are_the_same_each_time():
    assert fingerprint("data=line") == fingerprint("data=line")
    assert fingerprint("data=line") != fingerprint("data=line", "data.data_seed=1")


class Own(Dataset):
    """A plain Dataset: 1000 numbers of which those in `changed` are others, with noise that `noise` draws."""

    def __init__(self, changed: tuple[int, ...] = (), noise: Callable[[], float] = lambda: 0.0) -> None:
        self.changed, self.noise, self.fetched = changed, noise, set[int]()

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.fetched.add(index)
        return torch.tensor([index + self.noise()]), 5 if index in self.changed else index % 3


def test_a_plain_dataset_is_looked_at_from_its_first_to_its_last_example():
    own = Own()
    before = _fingerprint(own)
    assert len(own.fetched) == 256
    assert {0, 999} <= own.fetched
    assert max(np.diff(sorted(own.fetched))) == 4
    assert before == _fingerprint(Own())
    assert len({before, _fingerprint(Own((0,))), _fingerprint(Own((999,)))}) == 3


@pytest.mark.parametrize(
    "noise", [lambda: float(torch.rand(())), lambda: float(np.random.rand()), lambda: float(os.urandom(1)[0])]
)
def test_examples_that_are_drawn_anew_each_time_are_not_taken_for_a_change(noise):
    torch.manual_seed(0)
    assert _fingerprint(Own(noise=noise)) == _fingerprint(Own(noise=noise))
    torch.manual_seed(0)
    drawn = torch.rand(())
    torch.manual_seed(0)
    _fingerprint(Own(noise=noise))
    assert torch.equal(torch.rand(()), drawn)  # and training draws what it would have drawn


class Signed(Own):
    def fingerprint(self) -> str:
        return "version 7"


def signed(size: int) -> Dataset:
    return Signed((size,))


def test_a_dataset_may_have_a_fingerprint_of_its_own():
    target = "data.dataset._target_=tests.test_changed_data.signed"
    assert fingerprint("data=own", target, size=1) == "version 7"


def stop_in_epoch(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """The next training breaks off after this epoch, with its state kept."""
    from src.callbacks.history import History

    def break_off(self: Any, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == epoch:
            raise KeyError("broken off")

    monkeypatch.setattr(History, "on_train_epoch_start", break_off, raising=False)


@pytest.mark.parametrize("change", CHANGES)
def test_a_run_does_not_go_on_with_data_that_have_changed(change, call, capsys, monkeypatch):
    Path("t.csv").write_text(table())
    command = ["data=table", "data.path=t.csv", "data.target=bought", "name=run", "trainer.max_epochs=3", *QUICK]
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2)
        assert call("train", *command) == 1
    assert Path("outputs/run/checkpoints/last.ckpt").exists()
    Path("t.csv").write_text(table(**CHANGES[change]))
    capsys.readouterr()
    assert call("train", *command) == 1
    said = capsys.readouterr().err
    assert "data.path=t.csv has changed since this run began" in said
    assert "Put the data back as they were, or choose another name=" in said
    assert "Traceback" not in said
    Path("t.csv").write_text(table())
    os.utime("t.csv", (0, 0))  # put back, which changes its time
    assert call("train", *command) == 0


def test_a_score_on_data_that_have_changed_says_so(finished, call, capsys):
    Path("t.csv").write_text(table())
    finished("data=table", "data.path=t.csv", "data.target=bought", "name=r", "trainer.max_epochs=1", *QUICK)
    assert call("evaluate", "outputs/r", "--resamples", "0") == 0
    assert "may be among those scored" not in capsys.readouterr().err
    Path("t.csv").write_text(table(swapped=(57, 58)))
    assert call("evaluate", "outputs/r", "--resamples", "0") == 0
    assert (
        "data.path=t.csv is not as it was when the run was trained: examples that it has learnt from may be among "
        "those scored." in capsys.readouterr().err
    )
    Path("copy.csv").write_text(table())
    assert call("evaluate", "outputs/r", "--resamples", "0", "data.path=copy.csv") == 0
    assert "copy.csv holds the examples that the run was trained with" in capsys.readouterr().err
    assert call("evaluate", "outputs/r", "--resamples", "0", "data.path=t.csv", "--split", "val") == 0
