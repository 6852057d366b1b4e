"""How a number is shown, so that none is 0.0000 but nought."""

from __future__ import annotations

import math


def shown(value: float | None, like: float | None = None) -> str:
    """Four decimals; four digits where those would say little, or the number is very large.

    Args:
        like: shown as that one is, as a deviation beside its mean.
    """
    if value is None or not math.isfinite(value):
        return "not known"
    size = abs(value if like is None else like)
    return f"{value:.4f}" if size == 0 or 0.01 <= size < 1e6 else f"{value:.4g}"
