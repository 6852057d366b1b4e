"""MNIST and its like: IDX files from a server to a Dataset."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.config.compose import compose
from src.console.messages import UserError
from src.datasets.images.idx import read_idx
from src.datasets.memory import InMemory
from tests.idx_files import write_idx
from tests.sources import source


def dataset(address: str, cache: str = "cache", md5: list[str] | None = None, **options: Any) -> InMemory:
    """data=mnist from another server."""
    return source("mnist", url=address, cache=cache, md5=md5, **options)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_array_is_read_as_it_was_written(folder, dtype, suffix):
    values = (np.arange(24).reshape(2, 3, 4) * 5).astype(dtype)
    write_idx(folder / f"x{suffix}", values)
    found = read_idx(folder / f"x{suffix}")
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "x is no IDX file: it begins with nothing"),
        (b"<html>", "x is no IDX file: it begins with 3c 68 74 6d"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "x is damaged: 11 bytes do not hold 5 values of 1 bytes. Remove it"),
        (b"\0\0\x0c\x03\0\0\0\x05", "x is damaged: 8 bytes do not hold the sizes of values"),
        (
            gzip.compress(b"\0\0\x08\x01\0\0\0\x01a", mtime=0)[:-9],
            "x is damaged: .*Remove it, and it is downloaded anew",
        ),
    ],
)
def test_a_damaged_file_is_named(folder, content, said):
    (folder / "x").write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_idx(folder / "x")


def test_the_published_split_is_kept(idx_site, site):
    data = dataset(site)
    assert data.x.shape == (60, 1, 28, 28)
    assert data.y.tolist() == [*[*range(10)] * 4, *[*range(10)] * 2]
    assert data.splits["train"].tolist() == [*range(40)]
    assert data.splits["test"].tolist() == [*range(40, 60)]
    images = read_idx(next(Path("cache").glob("*-t10k-images*.gz")))
    np.testing.assert_array_equal(data.x[40:, 0].numpy(), images)


def test_files_of_another_checksum_are_refused(idx_site, site, folder):
    with pytest.raises(UserError, match=r"its md5 is [0-9a-f]{32}, not f68b3c2dcbeaaa9fbdd348bbdeb94873"):
        dataset(site, md5=list(compose("data=mnist").data.md5))
    files = [folder / name for name in compose("data=mnist").data.files]
    right = [hashlib.md5(file.read_bytes()).hexdigest() for file in files]
    assert len(dataset(site, md5=right)) == 60


def test_files_that_do_not_fit_are_refused(idx_site, site, folder):
    bad = {
        "labels of too few": ("train-labels-idx1-ubyte.gz", np.zeros(3, "uint8"), "a whole number for each of the 40"),
        "a class too many": ("t10k-labels-idx1-ubyte.gz", np.full(20, 10, "uint8"), "other labels than 0 to 9"),
        "no images": ("t10k-images-idx3-ubyte.gz", np.zeros((20, 28), "uint8"), "holds no images"),
        "another size": ("t10k-images-idx3-ubyte.gz", np.zeros((20, 8, 8), "uint8"), "have another size than"),
    }
    for cache, (name, values, said) in bad.items():
        before = (folder / name).read_bytes()
        write_idx(folder / name, values)
        with pytest.raises(UserError, match=said):
            dataset(site, cache.replace(" ", "_"))
        (folder / name).write_bytes(before)


def test_four_files_are_needed(site):
    with pytest.raises(UserError, match=r"files= and md5= need four each"):
        dataset(site, files=["a", "b"])


def test_a_finished_run_reads_pictures(idx_site, train, call, folder):
    run = train("data=mnist", "net=linear", "name=digits", "trainer.max_epochs=1", *idx_site)["run"]
    (folder / "new").mkdir()
    Image.new("RGB", (50, 40), "white").save(folder / "new" / "a.png")
    assert call("predict", str(run), "new", "-o", "answers.jsonl") == 0
    answer = json.loads((folder / "answers.jsonl").read_text())
    assert answer["file"] == "a.png"
    assert answer["predicted_class"] in "0123456789"


def test_the_names_of_the_classes_are_known():
    assert compose("data=fashion_mnist").data.classes[9] == "Ankle boot"
    assert compose("data=kmnist").data.classes[9] == "wo"
    assert all(len(compose(f"data={name}").data.classes) == 10 for name in ("mnist", "fashion_mnist", "kmnist"))
