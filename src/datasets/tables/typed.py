"""What the user is advised to type, in quotes where a shell and Hydra need them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from src.console.quotes import for_hydra, for_shell


def dropping(names: Sequence[str]) -> str:
    """What to type to leave columns out, such as drop=[id]."""
    return listing("drop", names)


def listing(option: str, texts: Sequence[str]) -> str:
    """An option as it is typed, with its list; in quotes for the shell and for Hydra where they need them."""
    if all(map(is_plain, texts)):
        return f"{option}=[{','.join(texts)}]"
    return for_shell(f"{option}=[{','.join(map(for_hydra, texts))}]")


def naming(option: str, text: str) -> str:
    """An option as it is typed, with one text."""
    return f"{option}={text}" if is_plain(text) else for_shell(f"{option}={for_hydra(text)}")


def is_plain(text: str) -> bool:
    """Whether it needs no quotes."""
    return re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII) is not None
