"""What a run is made with: the commit, the changes that are not committed, and the versions."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from src.files.atomic import written_whole

CODE = ("src", "conf", "examples", ":(glob)*.py")  # where new files are kept too
PACKAGES = {"torch": "torch", "lightning": "lightning", "hydra": "hydra-core"}
MOST_BYTES, MOST_IN_ALL, MOST_NEW = 2**20, 10 * 2**20, 100  # of a file, of all, and how many new files
PATIENCE = 10  # seconds for git, on a slow disk
PATCH = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")


def made_with(project: Path) -> dict[str, Any]:
    """Commit of the project, whether files differ from it (None where there is no git), and the versions."""
    from importlib.metadata import version

    commit, changes = _git(project, "rev-parse", "--verify", "HEAD"), _git(project, "status", "--porcelain")
    return {
        "git": {
            "commit": commit.decode().strip() if commit else None,
            "dirty": None if changes is None else bool(changes),
        },
        "versions": {"python": sys.version.split()[0], **{name: version(of) for name, of in PACKAGES.items()}},
    }


def uncommitted(project: Path) -> bytes:
    """What differs from the commit, with the new files of the code, as a patch that `git apply` takes.

    Empty if there is nothing, or no git. What is too large, or no file, is left out, and named in the first lines.
    """
    everywhere = ("--relative", "--ignore-submodules=dirty", "HEAD", "--", ".", ":(exclude)outputs")
    changed = _names(_git(project, "diff", "--name-only", "--no-renames", "-z", *everywhere))
    new = _names(_git(project, "ls-files", "--others", "--exclude-standard", "-z", "--", *CODE))
    large = [name for name in (*changed, *new) if _size(project / name) > MOST_BYTES]
    but_large = [f":(exclude,literal){name}" for name in large]
    patches = {"": _git(project, "diff", *PATCH, *everywhere, *but_large)} if changed else {}
    for name in [name for name in new if name not in large][:MOST_NEW]:
        patches[name] = _git(project, "diff", "--no-index", *PATCH, "--", "/dev/null", name)
    patch = b"".join(filter(None, patches.values()))
    left_out = large + [name for name in new if not patches.get(name) and name not in large]
    if len(patch) > MOST_IN_ALL:
        patch, left_out = b"", changed + new
    return b"".join(b"# left out: " + os.fsencode(repr(name)) + b"\n" for name in left_out) + patch


def keep_uncommitted(project: Path, folder: Path, goes_on: bool) -> str | None:
    """Write `uncommitted` into the folder of a run, if there is anything; returns its checksum.

    Args:
        goes_on: the run has begun before; what it began with stays, and what differs now is written beside it.
    """
    patch = uncommitted(project)
    first, later = folder / "uncommitted.diff", folder / "uncommitted.later.diff"
    with suppress(OSError):  # a run is worth more than this
        if not goes_on:
            first.unlink(missing_ok=True)
        if patch and not (first.exists() and first.read_bytes() == patch):
            with written_whole(later if goes_on else first) as partial:
                partial.write_bytes(patch)
    return hashlib.sha256(patch).hexdigest() if patch else None


def _git(project: Path, *arguments: str) -> bytes | None:
    """What git says; None if it cannot."""
    command = ["git", "--no-optional-locks", "-C", str(project), *arguments]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode in (0, 1) else None  # 1: files differ


def _names(said: bytes | None) -> list[str]:
    return [os.fsdecode(name) for name in (said or b"").split(b"\0") if name]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # it has been removed
        return 0
