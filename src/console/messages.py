"""What the user is told: errors in their words, and what they may have meant."""

from __future__ import annotations

import difflib
import errno
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of the disk, of the user's share of it, of one file
PEER_ENDED = re.compile("connection (reset|closed) by peer|broken pipe|remote worker", re.IGNORECASE)
OUT_OF_MEMORY = re.compile("out of memory|can't allocate memory|not enough memory", re.IGNORECASE)


class UserError(ValueError):
    """What the user did wrong, in a line or two that say what to do instead; every other error keeps its traceback.

    A part of the project speaks of its own parameters, as in ``hidden=[0]: a layer needs at least 1 unit.``; what has
    built the part knows what the user types for them, and calls `in_terms_of`.
    """

    def in_terms_of(self, path: str, keys: Mapping[str, str]) -> UserError:
        """The same error with each `parameter=` in it as the key that the user types for it.

        Args:
            path: the key of the part itself, such as net; it stands in front of a text that names no key of it.
            keys: parameter -> key, such as hidden -> net.hidden.
        """
        text = with_keys(str(self), keys)
        if path and not any(key in text for key in keys.values()) and not text.startswith((f"{path}.", f"{path}:")):
            text = f"{path}: {text}"
        return UserError(text)


def with_keys(text: str, keys: Mapping[str, str]) -> str:
    """A text with each `parameter=` in it as the key that the user types for it."""
    if not keys:
        return text
    names = "|".join(map(re.escape, sorted(keys, key=len, reverse=True)))
    return re.sub(rf"(?<![\w.\-/=?&])({names})=", lambda found: f"{keys[found[1]]}=", text)


def nearest(word: str, words: Iterable[str]) -> str:
    """A sentence with those of `words` that `word` may have meant, capitals or not; or nothing."""
    lower = {w.lower(): w for w in words if word}  # every name begins with nothing
    close = [w for w in lower if w.startswith(word.lower())] or difflib.get_close_matches(word.lower(), lower, n=2)
    return f" Did you mean {' or '.join(repr(lower[w]) for w in close[:2])}?" if close else ""


def listed(names: Sequence[str], most: int = 20) -> str:
    """The first of them, with dots if there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the full stop; its name if it has no text."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def where(error: BaseException) -> str:
    """File and line of the last step that was not taken inside a library."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "a library"


def in_words(error: BaseException) -> str | None:
    """What the user did wrong, in a line or two; None if it is no fault of theirs."""
    if isinstance(error, UserError):  # torch puts the whole traceback into that of an error in a loading process
        return str(error).rpartition("UserError: ")[2].strip() if "in DataLoader worker" in str(error) else str(error)
    if isinstance(error, RuntimeError) and (told := _of_loading(str(error))):
        return told
    if isinstance(error, OSError) and error.errno in FULL:
        place = f"{error.filename} cannot be written" if error.filename is not None else "A file cannot be written"
        return f"{place}: {error.strerror}. Make room (or raise the limit), and repeat the command: a run goes on."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if is_out_of_memory(error):
        return _out_of_memory(error)
    if type(error).__name__ == "MisconfigurationException":  # Lightning's, of what cannot be configured
        return str(error)
    if has_lost_a_peer(error):
        return (
            "Another of the processes that train together has ended. Its error stands above; the system ends one "
            "without a word where memory is short. The run goes on where it was if its command is repeated."
        )
    if package := _broken_package(error):
        return (
            f"The package {package} is installed, but cannot be imported: {first_line(error)}. "
            f"Install it anew, or remove it: pip uninstall {package}"
        )
    return None


def has_lost_a_peer(error: BaseException) -> bool:
    """Whether it only tells that another of the processes that train together has ended."""
    return type(error) is RuntimeError and "gloo" in str(error) and bool(PEER_ENDED.search(str(error)))


def is_out_of_memory(error: BaseException) -> bool:
    """Of the processor's or a GPU's."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and bool(OUT_OF_MEMORY.search(str(error)))
    )


def _of_loading(text: str) -> str | None:
    """What torch says of its loading processes, in other words; None if it says nothing of them."""
    silent = re.match(r"DataLoader timed out after (\S+) seconds(.*)", text)
    if silent:
        return (
            f"The loading processes have not answered for {silent[1]} seconds{silent[2]}. Is one of them stopped, or a "
            "disk or network gone? Then repeat the command: it goes on. If an example takes so long, raise "
            "data.timeout=; data.num_workers=0 loads without processes."
        )
    if re.match(r"DataLoader worker \(pid", text):
        signal = re.search(r"by signal: (\w[\w ]*)", text)
        return (
            f"A loading process has ended{f' by the signal {signal[1].strip()!r}' if signal else ''}. The system ends "
            "one where memory is short: try fewer of them, data.num_workers=, or a smaller data.batch_size=. The run "
            "goes on where it was if its command is repeated."
        )
    return None


def _broken_package(error: BaseException) -> str | None:
    """The library that has raised an error while it was imported, perhaps by another: torchvision by torchmetrics."""
    modules = [Path(f.filename).parts for f in traceback.extract_tb(error.__traceback__) if f.name == "<module>"]
    if not modules or "site-packages" not in modules[-1]:
        return None
    return modules[-1][modules[-1].index("site-packages") + 1].removesuffix(".py")


def _out_of_memory(error: BaseException) -> str:
    """With how much was asked for, where torch says so."""
    asked = re.search(r"allocate ([\d.]+ ?\w*)", str(error))
    amount = f", {_readable(asked[1])} more were asked for" if asked else ""
    return f"Out of memory{amount} ({where(error)}). Make the net or data.batch_size smaller."


def _readable(amount: str) -> str:
    number = amount.removesuffix(" bytes")
    return f"{int(number) / 1e9:,.1f} GB" if number.isdigit() else amount
