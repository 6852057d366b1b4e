"""Arrays in files: data=arrays, and new ones for any finished run."""

from __future__ import annotations

import pickle
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from src.console.messages import UserError
from src.datasets.arrays import ArrayReader, Arrays
from src.datasets.contract import LearnsFromTraining, ReadsTarget, TargetKind
from src.files.disk_rows import DiskRows
from src.run import Run
from tests.sources import source

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype("float32")
NUMBERS = (X[:, 0] > 0).astype("int64")
TEXTS = np.where(NUMBERS > 0, "yes", "no")
SHORT = ("trainer.max_epochs=2", "net.hidden=[8]")


def save(path: str, **arrays: Any) -> str:
    """x and y as one file, or as two for an .npy."""
    if path.endswith(".npy"):
        for name, array in arrays.items():
            np.save(path if name == "x" else Path(path).with_name("y.npy"), array)
    elif path.endswith(".npz"):
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    return path


def dataset_of(path: str, kind: TargetKind | None = None, **options: Any) -> Arrays:
    """The Dataset of a file."""
    data = source("arrays", path=path, **options)
    data.read_target(kind)
    return data


@pytest.mark.parametrize("path", ["a.npz", "a.npy", "a.safetensors"])
def test_a_run_learns_from_arrays_and_answers_for_new_ones(train, call, path):
    save(path, x=X, y=NUMBERS)
    run = train("data=arrays", f"data.path={path}", *SHORT, "name=r")["run"]
    assert call("predict", str(run), path, "-o", "answers.csv") == 0
    answers = pd.read_csv("answers.csv")
    assert list(answers.columns) == ["row", "predicted_y", "probability_0", "probability_1"]
    assert list(answers["row"]) == list(range(60))
    expected = Run(run).load()(torch.from_numpy(X)).detach()
    np.testing.assert_allclose(answers["probability_1"], expected[:, 1], atol=1e-6)
    assert call("evaluate", str(run)) == 0


@pytest.mark.parametrize(
    ("given", "options", "becomes"),
    [
        (X.astype("float64"), {}, torch.float32),
        (X.astype("float16"), {}, torch.float32),
        (X.astype(">f4"), {}, torch.float32),
        (X > 0, {}, torch.float32),
        (X.astype("int64"), {}, torch.float32),
        (abs(X * 50).astype("uint8"), {}, torch.uint8),
        (abs(X * 50).astype("uint8"), {"indices": True}, torch.int64),
        (abs(X * 50).astype("int32"), {"indices": True}, torch.int64),
    ],
)
@pytest.mark.parametrize("path", ["a.npz", "a.npy"])
def test_numbers_of_x_become_what_a_net_reads(path, given, options, becomes):
    data = dataset_of(save(path, x=given, y=NUMBERS), **options)
    data.fit(torch.arange(9))
    x, y = data.__getitems__([5, 3, 3, 59])
    assert x.dtype == becomes
    np.testing.assert_allclose(x.numpy(), given[[5, 3, 3, 59]].astype("float32"), rtol=1e-6)
    assert y.tolist() == NUMBERS[[5, 3, 3, 59]].tolist()
    assert torch.equal(data[3][0], x[1])
    [(rows, again, share)] = ArrayReader(**{k: v for k, v in data.reader.items() if k != "_target_"}).read(path, 99, 0)
    assert (list(rows["row"]), share, again.dtype) == (list(range(60)), 1, becomes)
    assert torch.equal(again[[5, 3, 3, 59]], x)


@pytest.mark.parametrize(
    ("y", "options", "classes", "first"),
    [
        (NUMBERS * 7 - 3, {}, ["-3", "4"], [1.0 * n for n in NUMBERS[:4]]),
        (NUMBERS > 0, {}, ["False", "True"], list(NUMBERS[:4])),
        (TEXTS, {}, ["no", "yes"], list(NUMBERS[:4])),
        (TEXTS.astype("S"), {}, ["no", "yes"], list(NUMBERS[:4])),
        (TEXTS, {"classes": ["yes", "no"]}, ["yes", "no"], list(1 - NUMBERS[:4])),
        (NUMBERS, {"classes": ["a", "b", "c"]}, ["a", "b", "c"], list(NUMBERS[:4])),
        (NUMBERS[:, None], {}, ["0", "1"], list(NUMBERS[:4])),
        (NUMBERS.astype("float64"), {"kind": "class"}, ["0", "1"], list(NUMBERS[:4])),
        (NUMBERS, {"kind": "values"}, None, [[n] for n in NUMBERS[:4]]),
        (X[:, 0], {}, None, X[:4, :1].tolist()),
        (X[:, :2].astype("float64"), {}, None, X[:4, :2].tolist()),
        (NUMBERS > 0, {"kind": "labels"}, None, [[n] for n in NUMBERS[:4]]),
        (np.stack([NUMBERS, 1 - NUMBERS], axis=1), {"kind": "labels"}, None, [[n, 1 - n] for n in NUMBERS[:4]]),
    ],
)
def test_y_are_classes_values_or_labels(y, options, classes, first):
    data = dataset_of(save("a.npz", x=X, y=y), **options)
    assert data.classes == classes
    assert data.y[:4].tolist() == first
    assert (data.labels is None) == (classes is None)
    assert data.y.dtype == (torch.float32 if classes is None else torch.int64)
    assert isinstance(data, ReadsTarget)
    assert isinstance(data, LearnsFromTraining)


def test_one_number_an_example_is_an_axis_of_its_own():
    path = save("a.npy", x=X[:, 0], y=X[:, 0])
    assert dataset_of(path)[3][0].shape == (1,)
    assert [x.shape for _, x, _ in ArrayReader([1], False).read(path, 40, 0)] == [(40, 1), (20, 1)]
    assert [x.shape for _, x, _ in ArrayReader([], False).read(path, 40, 0)] == [(40,), (20,)]


def test_a_finished_run_numbers_the_classes_of_new_data():
    data = source("arrays", path=save("a.npz", x=X, y=TEXTS))
    data.restore(data.reader)
    data.read_target("class", ["maybe", "yes", "no"])
    assert data.classes is not None
    assert [data.classes[k] for k in data.y.tolist()] == TEXTS.tolist()
    assert data.labels is data.y
    with pytest.raises(UserError, match=r"path=a.npz: the run knows no class 'no'. It knows: yess."):
        data.read_target("class", ["yess"])


def test_a_finished_run_says_what_x_are():
    data = dataset_of(save("a.npz", x=NUMBERS, y=TEXTS))
    data.restore({"shape": [1], "indices": True})
    assert data[0][0].dtype == torch.int64
    with pytest.raises(UserError, match="the indices of an embedding are whole numbers"):
        dataset_of(save("b.npz", x=X, y=TEXTS)).restore({"shape": [4], "indices": True})


class Words(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], output_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, output_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x).mean(dim=1)


def test_indices_reach_an_embedding(train, call):
    x = RANDOM.integers(0, 20, size=(60, 5))
    np.savez("a.npz", x=x, y=(x[:, 0] > 9).astype(int))
    net = ("net=linear", "~net.hidden", "~net.activation", "~net.dropout", f"net._target_={__name__}.Words")
    train("data=arrays", "data.path=a.npz", "data.indices=true", *net, "trainer.max_epochs=1", "name=r")
    assert call("predict", "outputs/r", "a.npz", "-o", "answers.csv", "trust=true") == 0
    assert call("export", "outputs/r", "format=onnx", "trust=true") == 0


def test_arrays_answer_for_runs_of_other_data_too(train, call):
    train("data=line", "net=linear", "trainer.max_epochs=1", "name=r")
    np.save("new.npy", np.array([0.0, 1.0]))
    assert call("predict", "outputs/r", "new.npy", "-o", "answers.csv") == 0
    assert list(pd.read_csv("answers.csv").columns) == ["row", "predicted_y"]


def test_a_file_stays_out_of_memory():
    np.ones((4000, 4096), "float32").tofile("a.bin")  # 64 MB
    rows = DiskRows("a.bin", "float32", (4000, 4096))
    before = _resident()
    for start in range(0, 4000, 16):
        assert rows[[*range(start, start + 16)]].sum() == 16 * 4096
    assert _resident() - before < 30e6
    assert len(pickle.dumps(rows)) < 300
    assert pickle.loads(pickle.dumps(rows))[[1]].shape == (1, 4096)


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_a_file_are_its_rows(order):
    np.save("x.npy", np.asarray(X, order=order))
    np.save("y.npy", NUMBERS)
    x, _ = dataset_of("x.npy").__getitems__([5, 59, 0])
    assert torch.equal(x, torch.from_numpy(X[[5, 59, 0]]))


@pytest.mark.parametrize("path", ["x.npy", "a.npz"])
def test_a_wrong_value_far_down_is_counted_from_the_first(path, monkeypatch):
    monkeypatch.setattr("src.datasets.arrays.inputs.CHECKED", 7 * X[0].astype("float64").nbytes)
    np.save("x.npy", with_value(np.nan))
    np.save("y.npy", NUMBERS)
    np.savez("a.npz", x=with_value(np.nan), y=NUMBERS)
    with pytest.raises(UserError, match=r"row 40 of x \(from 0\) holds a value that is nan"):
        dataset_of(path).fit(torch.arange(3))


def test_a_loading_process_reads_the_same_rows():
    np.save("x.npy", X)
    np.save("y.npy", NUMBERS)
    data = dataset_of("x.npy")
    assert torch.equal(pickle.loads(pickle.dumps(data)).__getitems__([3, 59, 4])[0], torch.from_numpy(X[[3, 59, 4]]))


def _resident() -> float:
    """Bytes of memory that this process has now; where the system does not say, the most that it ever had."""
    if Path("/proc/self/statm").exists():
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def with_value(value: float, row: int = 40) -> np.ndarray:
    x = X.astype("float64")
    x[row, 1] = value
    return x


class Evil:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched"),)


OBJECTS = np.array([Evil()] * 60, dtype=object)
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no x": ({"x_train": X, "y": NUMBERS}, {}, "path=a.npz has no array x. Did you mean 'x_train'?"),
    "no y": ({"x": X, "b": NUMBERS}, {}, "path=a.npz has no array y. It has: x, b."),
    "lengths": ({"x": X, "y": NUMBERS[:9]}, {}, "path=a.npz: x has 60 examples, but y has 9."),
    "no rows": ({"x": X[:0], "y": NUMBERS[:0]}, {}, r"x has shape [0, 4], so it holds nothing."),
    "nan": ({"x": with_value(np.nan), "y": NUMBERS}, {}, "row 40 of x (from 0) holds a value that is nan or infinite"),
    "inf": ({"x": with_value(1e39), "y": NUMBERS}, {}, "row 40 of x (from 0) holds a value that is nan or infinite"),
    "nan in y": ({"x": X, "y": with_value(np.nan)[:, 1]}, {}, "row 40 of y (from 0) is nan or infinite."),
    "texts": ({"x": TEXTS, "y": NUMBERS}, {}, "x holds <U3, which are no numbers that a net can read."),
    "complex": ({"x": X + 1j, "y": NUMBERS}, {}, "x holds complex64, which are no numbers that a net can read."),
    "complex y": ({"x": X, "y": NUMBERS + 1j}, {}, "y holds complex128, which are neither numbers nor texts."),
    "one number": ({"x": X[0, 0], "y": NUMBERS}, {}, "x is a single number, not an array of examples."),
    "one value": ({"x": X, "y": X[0, 0]}, {}, "y is a single value, not one for each example."),
    "deep y": ({"x": X, "y": X[:, None, :]}, {}, "y has shape [60, 1, 4], but a value or some values"),
    "one-hot": ({"x": X, "y": np.eye(60, dtype=int)}, {}, "one class an example is needed: save y.argmax(axis=1)"),
    "floats for indices": ({"x": X, "y": NUMBERS}, {"indices": True}, "the indices of an embedding are whole numbers"),
    "below 0": ({"x": np.arange(60) - 1, "y": NUMBERS}, {"indices": True}, "row 0 of x (from 0) holds a negative num"),
    "texts to learn": (
        {"x": X, "y": TEXTS},
        {"kind": "values"},
        "y of path=a.npz holds texts, which are no values: this",
    ),
    "texts as labels": ({"x": X, "y": TEXTS}, {"kind": "labels"}, "holds texts, which are no values: a label is 1 (it"),
    "a label of 2": ({"x": X, "y": NUMBERS * 2}, {"kind": "labels"}, "y of path=a.npz holds 2, but a label is 1 (it"),
    "half a label": (
        {"x": X, "y": np.stack([NUMBERS, NUMBERS / 2], axis=1)},
        {"kind": "labels"},
        "y[1] of path=a.npz holds 0.5, but a label is 1 (it applies) or 0 (it does not).",
    ),
    "fractions": ({"x": X, "y": X[:, 0]}, {"kind": "class"}, "holds fractional numbers, such as "),
    "names": (
        {"x": X, "y": X[:, 0]},
        {"classes": ["a", "b"]},
        "classes, but y of path=a.npz is read as values.",
    ),
    "few names": ({"x": X, "y": NUMBERS + 1}, {"classes": ["a", "b"]}, "has no name for 2, which y of path=a.npz"),
    "other names": (
        {"x": X, "y": TEXTS},
        {"classes": ["yes", "noo"]},
        "has no name for no, which y of path=a",
    ),
    "names twice": ({"x": X, "y": TEXTS}, {"classes": ["no", "no"]}, "classes=['no', 'no']: a name comes twice."),
    "objects": ({"x": OBJECTS, "y": NUMBERS}, {}, "it holds Python objects, which could run code. Save numbers"),
    "y of an npz": ({"x": X, "y": NUMBERS}, {"y_path": "y.npy"}, "y_path=y.npy is for an .npy, but path=a"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_the_arrays_is_told(what):
    arrays, options, says = WRONG[what]
    np.savez("a.npz", **arrays)
    with pytest.raises(UserError) as error:
        dataset_of("a.npz", **options).fit(torch.arange(3))
    assert says in str(error.value)
    assert not Path("touched").exists()


@pytest.mark.parametrize("ending", [".npy", ".npz", ".safetensors"])
def test_a_broken_file_is_told(ending):
    path = save(f"a{ending}", x=X, y=NUMBERS)
    whole = Path(path).read_bytes()
    for content in (whole[:50], whole[: len(whole) // 2], b"hello\n" * 99, b"", pickle.dumps(OBJECTS)):
        Path(path).write_bytes(content)
        with pytest.raises(UserError, match=rf"^path=a{ending} cannot be read as {ending}: "):
            dataset_of(path)
    assert not Path("touched").exists()


def test_pickled_objects_in_an_npy_are_not_read():
    np.save("a.npy", OBJECTS)
    np.save("y.npy", NUMBERS)
    with pytest.raises(UserError, match="it holds Python objects, which could run code"):
        dataset_of("a.npy")
    assert not Path("touched").exists()


def test_a_missing_file_is_told(call, capsys):
    np.save("a.npy", X)
    np.save("empty.npy", X[:0])
    Path("a.csv").write_text("x,y\n1,2\n")
    for path, says in {
        "none.npz": "data.path=none.npz is not a file.",
        "a.csv": "data.path=a.csv: arrays are read from files that end in .npy, .npz, .safetensors.",
        "a.npy": "data.path=a.npy: there is no y.npy beside it. Say where y is: data.y_path=.",
        "a.npy data.y_path=b.npy": "data.y_path=b.npy is not a file.",
        "empty.npy data.y_path=empty.npy": "data.path=empty.npy: x has shape [0, 4], so it holds nothing.",
    }.items():
        capsys.readouterr()
        assert call("train", "data=arrays", *f"data.path={path}".split()) == 1
        assert capsys.readouterr().err == f"Error: {says}\n"


def test_new_arrays_that_do_not_fit_the_run_are_told():
    np.save("a.npy", with_value(np.inf))
    np.save("words.npy", TEXTS)
    for shape, indices, path, says in [
        ([5], False, "a.npy", r"a.npy: its examples have shape \[4\], those of the run \[5\]\.$"),
        ([60, 4], False, "a.npy", r"those of the run \[60, 4\]. For a single one, save x\[None\]."),
        ([4], True, "a.npy", "a.npy: x holds float64, but the indices of an embedding are whole numbers."),
        ([4], False, "a.npy", r"a.npy: row 40 of x \(from 0\) holds a value that is nan or infinite"),
        ([1], False, "words.npy", "words.npy: x holds <U3, which are no numbers that a net can read."),
        ([4], False, "new.csv", "new.csv: arrays are read from files that end in .npy, .npz, .safetensors."),
    ]:
        with pytest.raises(UserError, match=says):
            list(ArrayReader(shape, indices).read(path, 16, None))
