"""Did you mean ...?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str:
    """A sentence with those of `words` that `word` may have meant, capitals or not; or nothing."""
    lower = {w.lower(): w for w in words}
    close = [w for w in lower if w.startswith(word.lower())] or difflib.get_close_matches(word.lower(), lower, n=2)
    return f" Did you mean {' or '.join(repr(lower[w]) for w in close[:2])}?" if close else ""
