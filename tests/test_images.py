"""Pictures in folders: to a Dataset, changed at random, and new ones for a finished run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from src.config.build import build
from src.console.messages import UserError
from src.datasets.contract import Augments, LearnsFromTraining, ReadsTarget, offer_of
from src.datasets.images.augment import random_part, recoloured
from src.datasets.images.decode import Resize, decode
from src.datasets.images.reader import ImageReader
from tests.sources import source

RESIZES: list[Resize] = ["crop", "pad", "squash"]


def images(path: Any, **options: Any) -> Any:
    """The Dataset of a folder."""
    return source("images", path=str(path), **options)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def halves(folder, name="half.png", mode="RGB", **options):
    """A picture of 60 x 40, white on the left, black on the right."""
    image = Image.fromarray(np.repeat([[255] * 30 + [0] * 30], 40, 0).astype("uint8")).convert(mode)
    image.save(folder / name, **options)
    return folder / name


def test_a_folder_for_each_class(photos):
    (photos / "cat" / "old").mkdir()
    (photos / "cat" / "0.jpg").rename(photos / "cat" / "old" / "0.jpg")
    for hidden in (".DS_Store", "Thumbs.db", "desktop.ini"):
        (photos / "cat" / hidden).write_text("no picture")
    (photos / ".hidden").mkdir()
    data = images(photos, size=8)
    x, y = data[0]
    assert (len(data), data.classes, data.target, data.splits) == (20, ["cat", "dog"], "class", {})
    assert data.labels.tolist() == [0] * 10 + [1] * 10
    assert (x.shape, x.dtype, int(y)) == ((3, 8, 8), torch.uint8, 0)
    assert x[0].min() > 200
    assert x[2].max() < 60
    assert data.augments is False
    data.fit(torch.arange(20))


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_ready_made_splits(photos, val):
    for split in ("train", val, "test"):
        shutil.copytree(photos, photos.parent / "ready" / split)
    shutil.rmtree(photos.parent / "ready" / "test" / "cat")
    data = images("ready", size=8)
    assert data.classes == ["cat", "dog"]
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 20, "val": 20, "test": 10}
    assert data.labels[data.splits["test"]].tolist() == [1] * 10
    assert data.pictures.path(int(data.splits["test"][0])).parts[:3] == ("ready", "test", "dog")


def test_folders_called_train_and_bus_are_classes(photos):
    (photos / "cat").rename(photos / "train")
    assert images(photos, size=8).classes == ["dog", "train"]


def test_the_square_in_the_middle_is_taken(folder):
    half = halves(folder)
    x = decode(half, 40, 3)
    assert (x[:, :, :19] == 255).all()
    assert (x[:, :, 21:] == 0).all()
    small = decode(half, 4, 1)[0]
    assert small[:, 0].tolist() == [255] * 4
    assert small[:, 3].tolist() == [0] * 4


def edges(path: Path, width: int, height: int, colour: tuple[int, int, int] = (255, 0, 0)) -> Path:
    """A grey picture whose left quarter is of this colour."""
    picture = Image.new("RGB", (width, height), (99, 99, 99))
    picture.paste(colour, (0, 0, width // 4, height))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def test_all_of_a_picture_is_seen_padded_or_squashed(folder):
    wide, tall = edges(folder / "wide.png", 80, 40), edges(folder / "tall.png", 20, 80)
    assert (decode(wide, 8, 3, resize="crop")[1, :, 1:] == 99).all()  # nothing of its edge
    squashed = decode(wide, 8, 3, resize="squash")
    assert (squashed[0, :, 0].tolist(), squashed[1, :, 4:].unique().tolist()) == ([255] * 8, [99])
    padded = decode(wide, 8, 3, resize="pad")
    assert (padded[:, :2].max(), padded[:, 6:].max()) == (0, 0)  # black above and below
    assert (padded[0, 2:6, 0].tolist(), padded[1, 2:6, 4:].unique().tolist()) == ([255] * 4, [99])
    padded = decode(tall, 8, 3, resize="pad")
    assert [padded[2, row].tolist() for row in (0, 7)] == [[0] * 3 + [padded[2, 0, 3], 99] + [0] * 3] * 2
    for resize in RESIZES[1:]:
        Image.new("RGB", (3000, 1), "white").save(folder / "line.png")
        assert decode(folder / "line.png", 8, 3, resize=resize).max() == 255  # however thin
        square = edges(folder / "square.png", 64, 64)
        assert torch.equal(decode(square, 8, 3, resize=resize), decode(square, 8, 3))


def test_a_random_part_of_all_of_a_picture_is_never_of_the_black_beside_it(folder):
    edges(folder / "x" / "a" / "x.png", 200, 20)
    for resize in ("pad", "squash"):
        data = images("x", size=16, crop=0.1, resize=resize)
        parts = [data.augmented(0, generator(seed))[0] for seed in range(30)]
        assert all((part[0] >= 99).sum() >= 32 for part in parts)  # a band of two rows at least
        assert {bool((part[0] == 255).any()) for part in parts} == {True, False}


def test_a_run_sees_all_of_a_picture_where_it_is_told_to(folder, train, call, capsys):
    """What tells the classes apart stands at the edges; what has no word of it is from an older run, and cropped."""
    for number in range(10):
        edges(folder / "photos" / "red" / f"{number}.png", 60, 20)
        edges(folder / "photos" / "blue" / f"{number}.png", 60, 20, (0, 0, 255))
    options = ["data=images", "data.path=photos", "data.size=8", "net=linear", "data.num_workers=0"]
    results = train(
        *options, "data.resize=pad", "data.batch_size=4", "optimizer.lr=0.02", "trainer.max_epochs=5", "name=run"
    )
    assert results["test/accuracy"] == 1
    assert call("evaluate", "outputs/run", "data.path=photos", "--resamples", "0") == 0
    assert call("predict", "outputs/run", "photos/red", "-o", "answers.csv") == 0
    assert (folder / "answers.csv").read_text().count("png,red") == 10
    capsys.readouterr()
    assert call("train", *options, "data.resize=stretch") == 1
    assert "data.resize='stretch': crop or pad or squash is needed." in capsys.readouterr().err
    data = images("photos", size=8, resize="pad")
    data.restore({"size": 8, "channels": 3})
    assert data.reader["resize"] == ImageReader(8, 3).resize == "crop"


def test_a_finer_pattern_than_the_pixels_becomes_grey(folder):
    Image.fromarray((np.indices((64, 64)).sum(0) % 2 * 255).astype("uint8")).save(folder / "x.png")
    assert (decode(folder / "x.png", 8, 1).float() - 127.5).abs().max() < 10


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(folder):
    waves = np.sin(np.arange(1200) / 60)[:, None] * np.cos(np.arange(1600) / 90)
    image = Image.fromarray((127 + 120 * waves).astype("uint8")).convert("RGB")
    image.save(folder / "x.jpg", quality=95)
    image.save(folder / "x.png")
    difference = decode(folder / "x.jpg", 64, 3).float() - decode(folder / "x.png", 64, 3)
    assert difference.abs().max() < 6


def test_a_part_of_a_large_jpeg_keeps_its_detail(folder):
    stripes = np.repeat([np.arange(1280) // 16 % 2 * 255], 1280, 0).astype("uint8")
    Image.fromarray(stripes).save(folder / "x.jpg", quality=95)
    assert decode(folder / "x.jpg", 320, 1).float().std() > 110  # 4 pixels a stripe
    part = decode(folder / "x.jpg", 80, 1, lambda width, height: (0, 0, width / 4, height / 4), 1 / 16)
    assert part.float().std() > 110


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_upright_whichever_way_the_camera_was_held(folder, orientation):
    upright = {resize: decode(halves(folder), 16, 3, resize=resize) for resize in RESIZES}
    turn = Image.Transpose
    stored = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE}
    stored |= {6: turn.ROTATE_90, 7: turn.TRANSVERSE, 8: turn.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.open(folder / "half.png")
    (image.transpose(stored[orientation]) if orientation > 1 else image).save(folder / "lying.png", exif=exif)
    for resize, expected in upright.items():
        assert torch.equal(decode(folder / "lying.png", 16, 3, resize=resize), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "I", "F", "P", "RGB", "RGBA", "CMYK"])
def test_every_kind_of_picture_can_be_read(folder, mode):
    (folder / "x" / "a").mkdir(parents=True)
    if mode in ("I;16", "I", "F"):
        values = np.repeat([[1.0] * 30 + [0.0] * 30], 40, 0)
        image = Image.fromarray((values * 65535).astype({"I;16": "uint16", "I": "int32", "F": "float32"}[mode]))
        image = Image.fromarray(values.astype("float32")) if mode == "F" else image
        image.save(folder / "x" / "a" / "x.tif")
    else:
        halves(folder / "x" / "a", "x.tif" if mode == "CMYK" else "x.png", mode)
    data = images("x", size=8)
    assert data.pictures.channels == (1 if mode in ("1", "L", "LA", "I;16", "I", "F", "P") else 3)
    row = data[0][0][0, 0].tolist()
    assert (row[:3], row[5:]) == ([255] * 3, [0] * 3)


def test_what_is_transparent_is_white(folder):
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(folder / "x.png")
    Image.new("LA", (9, 9), (0, 127)).save(folder / "y.png")
    Image.new("P", (9, 9), 0).save(folder / "z.gif", transparency=0)
    assert (decode(folder / "x.png", 4, 3) == 255).all()
    assert (decode(folder / "y.png", 4, 1) == 128).all()
    assert (decode(folder / "z.gif", 4, 3) == 255).all()


def test_grey_and_colour_together_need_a_word(photos):
    Image.new("L", (9, 9)).save(photos / "cat" / "grey.png")
    data = images(photos, size=8)
    with pytest.raises(UserError, match=r"Of 21 pictures 1 is grey, .* say channels=1 .* or channels=3"):
        data.fit(torch.arange(21))
    for channels in (1, 3):
        data = images(photos, size=8, channels=channels)
        data.fit(torch.arange(21))
        assert next(iter(DataLoader(data, 21)))[0].shape == (21, channels, 8, 8)


def broken(photos, kind):
    """A file in photos/cat that is no whole picture."""
    path = photos / "cat" / {"png": "x.png"}.get(kind, "x.jpg")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype="uint8"))
    noise.save(path)
    content = {"empty": b"", "text": b"I am no picture"}.get(kind, path.read_bytes()[: path.stat().st_size // 2])
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("empty", "it is empty"), ("text", "it is not an image"), ("jpg", ".*truncated.*"), ("png", ".*truncated.*")],
)
def test_a_file_that_cannot_be_read_is_named_or_left_out(photos, kind, reason, capsys):
    path = broken(photos, kind)
    with pytest.raises(UserError, match=rf"{path} cannot be read: {reason}\. Take them away, or .*on_error=skip"):
        images(photos)
    assert len(images(photos, on_error="skip")) == 20
    assert f"1 of 21 files are left out. {path} cannot be read" in capsys.readouterr().err


def test_several_that_cannot_be_read_are_counted(photos):
    for name in ("1.jpg", "2.jpg"):
        (photos / "dog" / name).write_text("")
    with pytest.raises(UserError, match="So it is with 2 of 20 files in all"):
        images(photos)


def test_a_class_that_is_left_without_pictures_is_refused(photos):
    for file in (photos / "dog").iterdir():
        file.write_text("")
    with pytest.raises(UserError, match=r"No picture of class dog in path=.*photos can be read"):
        images(photos, on_error="skip")


def test_something_harmless_behind_a_picture_is_borne(photos):
    with (photos / "cat" / "0.jpg").open("ab") as file:
        file.write(b"a film" * 100)
    assert len(images(photos)) == 20


def test_a_file_that_breaks_later_is_named(photos):
    data = images(photos, size=8)
    (photos / "cat" / "0.jpg").write_text("")
    with pytest.raises(UserError, match=r"cat/0.jpg cannot be read: it is empty"):
        data[0]
    (photos / "cat" / "0.jpg").unlink()
    with pytest.raises(UserError, match=r"cat/0.jpg cannot be read: No such file"):
        data[0]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_broken_in_the_middle_is_named_when_it_is_loaded(photos, call, capsys, workers):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype="uint8")
    path = photos / "cat" / "00.png"  # not one of the examples that are looked at before
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[60:9000] = bytes(8940)
    path.write_bytes(content)
    data = images(photos, size=8)
    [index] = [i for i in range(len(data)) if data.pictures.path(i) == path]
    with pytest.raises(UserError, match=r"00.png cannot be read"):
        data[index]
    arguments = ["data=images", f"data.path={photos}", "data.size=8", "net=linear", f"data.num_workers={workers}"]
    arguments += ["data.fractions=[1,0,0]", "standardize=false", "monitor=null", "callbacks.early_stopping=null"]
    assert call("train", *arguments, "trainer.max_epochs=1") == 1
    said = capsys.readouterr().err
    assert f"{path} cannot be read" in said.splitlines()[-1]
    assert "Traceback" not in said


def one_bit_png(path: Path, side: int) -> None:
    """A black square, of which 30 000 pixels a side are half a megabyte, and a gigabyte in memory."""
    rows = zlib.compressobj(1)
    content = b"".join([*(rows.compress(bytes(1 + (side + 7) // 8)) for _ in range(side)), rows.flush()])
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0), b"IDAT": content, b"IEND": b""}
    parts = [
        struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks.items()
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_a_picture_of_too_many_pixels_is_refused_before_it_fills_the_memory(photos, train, call, capsys):
    one_bit_png(photos / "cat" / "huge.png", 30_000)
    learn = ["data=images", f"data.path={photos}", "data.size=8", "data.channels=1", "net=linear", "data.num_workers=0"]
    learn += ["trainer.max_epochs=1", "name=r"]
    assert call("train", *learn) == 1
    said = "huge.png cannot be read: Image size (900000000 pixels) exceeds data.max_pixels=178956970. Raise it"
    assert said in capsys.readouterr().err
    one_bit_png(photos / "cat" / "huge.png", 1000)
    assert call("train", *learn, "data.max_pixels=999999") == 1
    assert "Image size (1000000 pixels) exceeds data.max_pixels=999999." in capsys.readouterr().err
    train(*learn, "data.max_pixels=1000000")
    one_bit_png(photos / "cat" / "huge.png", 1001)
    predict = ["outputs/r", str(photos / "cat"), "-o", "p.csv"]
    assert call("predict", *predict) == 1
    assert "exceeds data.max_pixels=1000000. Raise it" in capsys.readouterr().err
    assert call("predict", *predict, "data.max_pixels=2000000") == 0
    assert Image.MAX_IMAGE_PIXELS == 89478485  # other users of Pillow keep theirs


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "size=0: a picture has at least 1 pixel"),
        ({"crop": 0.0}, "crop=0.0: the least share of a picture is above 0 and at most 1"),
        ({"crop": 1.5}, "crop=1.5: the least share"),
        ({"colour": -0.1}, "colour=-0.1: a strength is from 0 to 1"),
        ({"colour": 1.1}, "colour=1.1: a strength"),
    ],
)
def test_a_number_out_of_its_range_is_refused(photos, options, said):
    with pytest.raises(UserError, match=said):
        images(photos, **options)


def test_folders_that_are_none_are_refused(photos, folder):
    with pytest.raises(UserError, match=r"nowhere: there is no such folder"):
        images("nowhere")
    with pytest.raises(UserError, match=r"0.jpg is a file: the folder is meant that holds a folder for each class"):
        images("photos/cat/0.jpg")
    with pytest.raises(UserError, match="cat has no subfolders: one for each class is needed, such as photos/cat/cat"):
        images("photos/cat")
    (photos / "bird").mkdir()
    with pytest.raises(UserError, match=r"photos/bird holds no pictures\. Is it a class\?"):
        images("photos")


def test_splits_that_do_not_fit_are_refused(photos):
    for split in ("train", "test"):
        shutil.copytree(photos, photos.parent / "ready" / split)
    (photos.parent / "ready" / "test" / "cat").rename(photos.parent / "ready" / "test" / "cats")
    with pytest.raises(UserError, match=r"ready/test has a class cats, which train/ has not\. Did you mean 'cat'"):
        images("ready")
    shutil.copytree(photos, photos.parent / "ready" / "birds")
    with pytest.raises(UserError, match="ready has birds, test, train: folders of splits and of classes"):
        images("ready")
    shutil.rmtree(photos.parent / "ready" / "birds")
    for val in ("val", "valid"):
        shutil.copytree(photos, photos.parent / "ready" / val)
    with pytest.raises(UserError, match="ready has test, train, val, valid: two folders for one split"):
        images("ready")
    (photos.parent / "only").mkdir()
    (photos.parent / "ready" / "train").rename(photos.parent / "only" / "train")
    with pytest.raises(UserError, match=r"only has train/ alone\..* name it: path=only/train"):
        images("only")


def test_one_class_is_refused(photos, call, capsys):
    shutil.rmtree(photos / "dog")
    assert call("train", "data=images", "data.path=photos", "net=cnn") == 1
    assert "All examples of data are of one class, cat" in capsys.readouterr().err


def test_the_folders_are_classes(photos):
    data = images(photos, size=8)
    assert [isinstance(data, protocol) for protocol in (ReadsTarget, LearnsFromTraining, Augments)] == [True] * 3
    data.read_target(None)
    assert (offer_of(data).classes, offer_of(data).augmented) == (["cat", "dog"], None)
    data.read_target("class", ["bird", "dog", "cat"])
    assert (data.classes, data[0][1], data.labels.unique().tolist()) == (["bird", "dog", "cat"], 2, [1, 2])
    with pytest.raises(UserError, match=r"path=.*photos: its folders are classes, which are no values\."):
        data.read_target("values")


def test_a_finished_run_says_how_pictures_are_read(photos):
    data = images(photos, size=8)
    data.restore({"size": 12, "channels": 1})
    assert data[0][0].shape == (1, 12, 12)
    with pytest.raises(UserError, match=r"photos holds pictures, but the run has learnt from none\."):
        data.restore({"shape": [4], "indices": False})


def test_the_path_is_needed(call, capsys):
    assert call("train", "data=images", "net=cnn") == 1
    assert "data.path" in capsys.readouterr().err


def test_a_picture_changes_by_the_generator_alone(folder):
    (folder / "x" / "a").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype="uint8")
    Image.fromarray(noise).resize((120, 80)).save(folder / "x" / "a" / "x.png")
    choices: list[dict[str, Any]] = [
        {"flip": True},
        {"crop": 0.3},
        {"colour": 0.5},
        {"flip": True, "crop": 0.3, "colour": 0.5},
    ]
    for options in choices:
        data = images("x", size=16, **options)
        assert data.augments is True
        several = [data.augmented(0, generator(seed))[0] for seed in range(8)]
        torch.manual_seed(1)
        assert all(torch.equal(x, data.augmented(0, generator(seed))[0]) for seed, x in enumerate(several))
        assert len({x.numpy().tobytes() for x in several}) == (2 if [*options] == ["flip"] else 8)
        assert all((x.shape, x.dtype) == ((3, 16, 16), torch.uint8) for x in several)
        assert torch.equal(data[0][0], images("x", size=16)[0][0])


def test_a_mirrored_picture_is_mirrored_half_of_the_time(folder):
    (folder / "x" / "a").mkdir(parents=True)
    halves(folder / "x" / "a")
    data = images("x", size=4, flip=True)
    same = [torch.equal(data.augmented(0, generator(seed))[0], data[0][0]) for seed in range(200)]
    assert 80 < sum(same) < 120
    assert torch.equal(data.augmented(0, generator(same.index(False)))[0], data[0][0].flip(-1))


def test_a_random_part_is_inside_and_as_large_as_asked():
    draws = generator()
    parts = np.array([random_part(120, 80, 0.25, draws) for _ in range(2000)])
    width, height = parts[:, 2] - parts[:, 0], parts[:, 3] - parts[:, 1]
    assert parts.min() >= 0
    assert parts[:, 2].max() <= 120
    assert parts[:, 3].max() <= 80
    assert 0.25 * 6400 * 0.99 < (width * height).min() < 0.3 * 6400
    assert (width * height).max() > 0.9 * 6400
    assert (width / height).max() < 1.34
    assert parts[:, 0].min() < 2
    assert parts[:, 2].max() > 118


def test_colours_change_within_their_strength():
    x = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    means = [recoloured(x, 0.2, generator(seed)).float().mean() for seed in range(100)]
    assert 79 < min(means) < 85
    assert 115 < max(means) < 121
    assert torch.equal(recoloured(x, 0.0, generator()), x)
    white = [recoloured(2 * x + 55, 1.0, generator(seed)).unique().tolist() for seed in range(100)]
    assert 30 < white.count([255]) < 70  # what would be brighter than white is white
    grey = recoloured(torch.randint(0, 256, (1, 4, 4), generator=generator()).to(torch.uint8), 0.5, generator())
    assert grey.shape == (1, 4, 4)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_loading_processes_read_the_same(photos, start):
    data = images(photos, size=8, crop=0.5, resize="pad")
    pickle.loads(pickle.dumps(data))
    loaded = list(DataLoader(data, 5, num_workers=2, multiprocessing_context=start))
    for (x, y), (other_x, other_y) in zip(loaded, DataLoader(data, 5), strict=True):
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


@pytest.mark.parametrize("workers", [None, 2])
def test_new_pictures_are_read_in_the_order_of_their_paths(photos, workers):
    reader = build(images(photos, size=8).reader, "data")
    Image.new("L", (9, 9), 7).save(photos / "grey.png")
    found = list(reader.read(str(photos), 8, workers))
    files = [file for rows, _, _ in found for file in rows["file"]]
    assert files == sorted(files)
    assert (files[0], files[-1], len(files)) == ("cat/0.jpg", "grey.png", 21)
    assert [tuple(x.shape) for _, x, _ in found] == [(8, 3, 8, 8), (8, 3, 8, 8), (5, 3, 8, 8)]
    assert [round(share, 2) for *_, share in found] == [0.38, 0.76, 1.0]
    assert (found[-1][1][-1] == 7).all()


def test_one_new_picture_is_read(photos):
    [(rows, x, share)] = ImageReader(8, 1).read(str(photos / "cat" / "3.jpg"), 8, None)
    assert (rows["file"].tolist(), tuple(x.shape), share) == (["3.jpg"], (1, 1, 8, 8), 1.0)


def test_new_files_that_are_no_pictures_are_refused(photos, folder):
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        next(ImageReader(8, 1).read("nowhere", 8, None))
    path = broken(photos, "text")
    with pytest.raises(UserError, match=rf"{path} cannot be read: it is not an image\.$"):
        next(ImageReader(8, 1).read(str(photos), 8, None))
    (folder / "nothing").mkdir()
    with pytest.raises(UserError, match="nothing holds no pictures"):
        next(ImageReader(8, 1).read("nothing", 8, None))


def test_a_folder_without_rights_is_named_not_passed_over(photos, monkeypatch):
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="dog"):
        next(ImageReader(8, 3).read(str(photos), 8, None))


def test_a_run_learns_predicts_and_is_evaluated(photos, train, call, capsys):
    options = ["data.size=8", "data.flip=true", "data.crop=0.5", "data.colour=0.1", "data.num_workers=0"]
    results = train("name=run", "data=images", "data.path=photos", "net=linear", "trainer.max_epochs=3", *options)
    assert results["test/accuracy"] == 1
    assert call("predict", "outputs/run", "photos", "-o", "answers.jsonl") == 0
    answers = (photos.parent / "answers.jsonl").read_text().splitlines()
    assert [json.loads(row)["predicted_class"] for row in answers] == ["cat"] * 10 + ["dog"] * 10
    shutil.rmtree(photos / "cat")
    shutil.copytree(photos, photos.parent / "others")
    assert call("evaluate", "outputs/run", "data.path=others") == 0
    (photos.parent / "others" / "dog").rename(photos.parent / "others" / "bird")
    capsys.readouterr()
    assert call("evaluate", "outputs/run", "data.path=others") == 1
    assert "data.path=others: the run knows no class 'bird'. It knows: cat, dog." in capsys.readouterr().err
