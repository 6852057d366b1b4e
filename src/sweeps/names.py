"""A job's folder is named by what was typed for it, whatever the order of keys and lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from src.config.compose import register_resolver
from src.run.config import is_of_the_sweep

LONGEST = 100  # characters
# No capitals: some file systems do not tell them apart.
PLAIN = re.compile(r"[a-z0-9_.-]*")
LIST = re.compile(r"\[([a-z0-9_.,-]*)\]")


def values_of(overrides: Iterable[str]) -> dict[str, str]:
    """KEY=VALUEs as key -> value in the order of the keys, without those of the sweep and of Hydra."""
    pairs = sorted(override.lstrip("+").partition("=")[::2] for override in overrides)
    return {key: value for key, value in pairs if not is_of_the_sweep(key)}


def job_name(values: Mapping[str, str]) -> str:
    """A name such as net=mlp,seed=0 for a folder, at most `LONGEST` characters; no two jobs share one.

    [512,128] becomes 512+128, and [512] becomes 512+. Where a character that a file system or a shell dislikes is
    replaced, or a name is cut, a hash of the whole stands at its end.
    """
    text = ",".join(f"{key}={LIST.sub(_joined, value)}" for key, value in values.items())
    is_plain = all(PLAIN.fullmatch(key) and (PLAIN.fullmatch(v) or LIST.fullmatch(v)) for key, v in values.items())
    if is_plain and len(text) <= LONGEST:
        return text or "default"
    digest = hashlib.sha256("\n".join(f"{key}={value}" for key, value in values.items()).encode()).hexdigest()[:8]
    return re.sub(r"[^A-Za-z0-9_.=,+-]+", "-", text)[: LONGEST - 9].rstrip(",.-") + f"_{digest}"


def _joined(found: re.Match[str]) -> str:
    return found[1].replace(",", "+") if "," in found[1] else f"{found[1]}+"


register_resolver("job_name", lambda overrides: job_name(values_of(overrides)), replace=True)
