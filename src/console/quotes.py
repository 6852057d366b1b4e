"""Texts in quotes, as they are typed: for Hydra in single ones, for the shell in double ones around those."""

from __future__ import annotations

import re


def for_hydra(text: str) -> str:
    """In single quotes, in which a backslash is one, but before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda run: 2 * run[1] + ("\\'" if run[2] else ""), text) + "'"


def for_shell(word: str) -> str:
    """In double quotes."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", word) + '"'
