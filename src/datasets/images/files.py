"""Which files in a folder are pictures, and of which class and split."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import numpy as np

from src.console.messages import UserError, nearest
from src.console.screen import notice, progress
from src.datasets.images.decode import channels_of
from src.files.home import expanded

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
LEFT_BY_SYSTEMS = ("thumbs.db", "desktop.ini", "__macosx")


def existing_folder(path: str) -> Path:
    """The folder at `path`. Raises UserError if there is none."""
    folder = expanded(path)
    if not folder.is_dir():
        if folder.exists():
            raise UserError(f"{path} is a file: the folder is meant that holds a folder for each class.")
        raise UserError(f"{path}: there is no such folder.")
    return folder


def examples(root: Path) -> tuple[list[str], list[int], list[str], list[str]]:
    """Of each example the file, relative to `root`, the class number and the split, if it has one; the classes."""
    folders = _ready_made(root) or {"": root}
    classes = _subfolders(next(iter(folders.values())))
    files, labels, splits = [], [], []
    for split, folder in folders.items():
        for name in _subfolders(folder):
            if name not in classes:
                raise UserError(f"{folder} has a class {name}, which train/ has not.{nearest(name, classes)}")
            pictures = files_in(folder / name, root)
            if not pictures:
                raise UserError(f"{folder / name} holds no pictures. Is it a class? Fill it, or take it away.")
            files += pictures
            labels += [classes.index(name)] * len(pictures)
            splits += [split] * len(pictures)
    return files, labels, splits, classes


def _ready_made(root: Path) -> dict[str, Path]:
    """The folders of splits that are there, train first; none if they are classes'."""
    names = _subfolders(root)
    splits = [SPLIT_FOLDERS.get(name.lower(), "") for name in names]
    if len(names) == 1 and splits[0]:
        alone = root / names[0]
        raise UserError(
            f"{root} has {names[0]}/ alone. If that holds the folders of the classes, name it: path={alone}."
        )
    if "train" not in splits or not {"val", "test"} & set(splits):
        return {}
    if "" in splits:
        raise UserError(f"{root} has {', '.join(names)}: folders of splits and of classes. Put the classes inside.")
    if len(set(splits)) < len(splits):
        raise UserError(f"{root} has {', '.join(names)}: two folders for one split. Which is meant?")
    folders = dict(zip(splits, (root / name for name in names), strict=True))
    return {split: folders[split] for split in ("train", "val", "test") if split in folders}


def _subfolders(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and _is_shown(entry.name))
    if not names:
        raise UserError(f"{folder} has no subfolders: one for each class is needed, such as {folder / 'cat'}.")
    return names


def files_in(folder: Path, root: Path) -> list[str]:
    """Paths of all files in `folder`, at any depth, relative to `root`; sorted. Raises OSError for a locked folder."""

    def fail(error: OSError) -> NoReturn:
        raise error

    paths = []
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = filter(_is_shown, folders)
        relative = Path(place).relative_to(root)
        paths += [(relative / name).as_posix() for name in files if _is_shown(name)]
    return sorted(paths)


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in LEFT_BY_SYSTEMS


def check_files(files: list[Path], skip: bool, max_pixels: int | None, hint: str = "") -> tuple[list[int], np.ndarray]:
    """Look at every file: numbers of those that can be read, and their own channels, 1 or 3.

    Raises:
        UserError: there are others, and they are not to be skipped; with a `hint` what to do.
    """
    readable, channels, errors = [], [], []
    with progress("looking at the pictures", len(files)) as done:
        for number, file in enumerate(files):
            try:
                channels.append(channels_of(file, max_pixels))
                readable.append(number)
            except UserError as error:
                errors.append(str(error))
            done(number + 1)
    if errors and not skip:
        more = "" if len(errors) == 1 else f" So it is with {len(errors)} of {len(files)} files in all."
        raise UserError(f"{errors[0]}{more} {hint}".rstrip())
    if errors:
        notice(f"{len(errors)} of {len(files)} files are left out. {errors[0]}")
    return readable, np.array(channels)
