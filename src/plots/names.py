"""Names in pictures: in fonts that have their letters, short enough, and each still told from the others."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from itertools import accumulate

import matplotlib
from matplotlib import font_manager

from src.console.screen import notice

OWN = "DejaVu Sans"  # comes with matplotlib
LIKELY = re.compile("noto|cjk|sourcehan|wqy|gothic|yahei|hei|ping|arabic|unicode|emoji|symbol", re.IGNORECASE)
UNFIT = re.compile("color|apple ?emoji|last ?resort", re.IGNORECASE)  # their letters are images, or boxes
SHAPED = matplotlib.__version_info__ >= (3, 11)  # Arabic and Hebrew are written from right to left
LINE = 18  # letters
BREAKS = re.compile(r"[\s_/.,;:-]+(?=.)")


def drawable(text: str) -> str:
    """The text, as it can be drawn in what is made from now on, inside `styled`.

    Letters that matplotlib's own font lacks are drawn in fonts of this machine, and what none of those has is written
    out: 猫 as \\u732b, an emoji by its name.
    """
    return "".join(_pieces(text))


def short(text: str, most: int = 40) -> str:
    """A drawable name of about `most` letters; the middle of a longer one is left out."""
    pieces = _pieces(text.replace("\n", " "))
    if _width(pieces) <= most:
        return "".join(pieces)
    return f"{_first(pieces, most // 2)}…{_first(pieces[::-1], most // 2, backwards=True)}"


def short_names(names: Sequence[str], most: int) -> list[str]:
    """Short names; of those that would look alike each has its number, from 0, behind it."""
    shown = [short(name, most) for name in names]
    often = Counter(shown)
    return [f"{name} #{k}" if often[name] > 1 else name for k, name in enumerate(shown)]


def in_two_lines(text: str) -> str:
    """A name, broken if it is long and has a place for that."""
    places = [found.end() for found in BREAKS.finditer(text)]
    if _width(text) <= LINE or not places:
        return text
    place = min(places, key=lambda place: max(_width(text[:place]), _width(text[place:])))
    return f"{text[:place].rstrip()}\n{text[place:]}"


def _width(text: Iterable[str]) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for piece in text for letter in piece)


def _first(pieces: Sequence[str], most: int, backwards: bool = False) -> str:
    """As many as there is room for."""
    ends = accumulate(map(_width, pieces))
    fitting = [piece for piece, end in zip(pieces, ends, strict=True) if end <= most]
    return "".join(fitting[::-1] if backwards else fitting).strip()


def _pieces(text: str) -> list[str]:
    """Each letter as it is drawn."""
    lacking = frozenset(filter(str.isprintable, text)) - _letters(font_manager.findfont(OWN))
    families, lacking = _fonts_with(lacking) if lacking else ((), lacking)
    if new := [family for family in families if family not in matplotlib.rcParams["font.family"]]:
        matplotlib.rcParams["font.family"] = [OWN, *matplotlib.rcParams["font.family"][1:], *new]
    if not SHAPED:
        lacking |= {letter for letter in text if unicodedata.bidirectional(letter) in ("R", "AL")}
    if lacking:
        _tell_once()
    return [_written_out(x) if x in lacking or not (x.isprintable() or x == "\n") else x for x in text]


def _written_out(letter: str) -> str:
    category = unicodedata.category(letter)
    if category in ("Cf", "Mn"):  # they only change the letter before them
        return ""
    if category == "So":
        return f"[{unicodedata.name(letter, 'sign').lower()}]"
    return letter.encode("unicode_escape").decode()


@cache
def _tell_once() -> None:
    notice(
        "No font on this machine has all letters of the names, so pictures write them out, as \\u732b for 猫. A font "
        "that has them, such as Noto Sans CJK, is found once it is installed."
    )


@lru_cache
def _letters(path: str) -> frozenset[str]:
    """Those that a font's file has; none if it cannot be read."""
    with suppress(OSError, RuntimeError):
        return frozenset(map(chr, font_manager.get_font(path).get_charmap()))
    return frozenset()


@lru_cache
def _fonts_with(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The families of this machine's fonts that have these letters, and the letters that none has."""
    families, lacking = list[str](), letters
    paths = [path for path in font_manager.findSystemFonts() if not UNFIT.search(path)]
    for path in sorted(paths, key=lambda path: (not LIKELY.search(path), path)):
        if lacking and lacking & _letters(path):
            font_manager.fontManager.addfont(path)  # matplotlib's list may be older than the font
            families.append(font_manager.get_font(path).family_name)
            lacking -= _letters(path)
    return tuple(families), lacking
