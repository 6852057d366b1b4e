"""What the shell has passed on arrives, though Hydra's grammar knows no such characters: file names, column names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from src.console.quotes import for_hydra, for_shell

PLAIN = re.compile(r"[A-Za-z0-9_./:+@-]*=?[A-Za-z0-9_./:+,-]*")  # needs no quotes
PAIR = re.compile(r"([+~]{0,2}[A-Za-z0-9_./@-]+)=(.+)", re.DOTALL)
MULTIRUN = ("-m", "--multirun")
NOT_CHOSEN = ("experiment=null", "debug=null")  # as they stand in conf/train.yaml: a group that Hydra takes no null for
LIST = r"""\[([^][{}'"]+)\]"""  # of texts without quotes, such as [größe,preis (€)]
LISTS = re.compile(f"{LIST}(,{LIST})*")
MADE_OF_PARTS = re.compile(r"""[\[{'"]|[a-z_]+\(|.*\$\{""", re.DOTALL)  # a list, a dict, a text in quotes, range(3)


def quoted(words: Sequence[str]) -> list[str]:
    """What was typed, each VALUE that is a text which Hydra cannot read in quotes; without `NOT_CHOSEN`.

    In a sweep a comma parts two values.
    """
    words = [word for word in words if word not in NOT_CHOSEN]
    parts_values = not set(MULTIRUN).isdisjoint(words)
    return [word if PLAIN.fullmatch(word) or _is_read(word) else _with_quotes(word, parts_values) for word in words]


def as_typed(value: Any) -> str:
    """A value of a config: true, null, [8,8], {a:1}."""
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{as_typed(key)}:{as_typed(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return f"[{','.join(map(as_typed, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def as_text(pair: str) -> str | None:
    """KEY='VALUE', as it is typed in a shell; None if there is no KEY=VALUE in it."""
    found = PAIR.fullmatch(pair)
    return for_shell(f"{found[1]}={for_hydra(found[2])}") if found else None


def _is_read(word: str) -> bool:
    if word.endswith((" ", "\t")) and word.rstrip().endswith("="):  # of blanks alone Hydra leaves nothing
        return False
    try:
        OverridesParser.create().parse_overrides([word])
    except OverrideParseException:
        return False
    return True


def _with_quotes(word: str, parts_values: bool) -> str:
    found = PAIR.fullmatch(word)
    if found and LISTS.fullmatch(found[2]):
        return f"{found[1]}={re.sub(LIST, _with_texts_in_quotes, found[2])}"
    if found is None or MADE_OF_PARTS.match(found[2]):
        return word
    values = found[2].split(",") if parts_values else [found[2]]
    return f"{found[1]}={','.join(map(for_hydra, values))}"


def _with_texts_in_quotes(of_list: re.Match[str]) -> str:
    return f"[{','.join(for_hydra(text.strip()) for text in of_list[1].split(','))}]"
