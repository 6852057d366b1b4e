"""The processor cores that this process may use, which it may share with others."""

from __future__ import annotations

import os

SHARE = "KINDLING_CORES"  # in the environment: how many are this process' own


def cores() -> int:
    """How many there are; its share, where a sweep shares them out among its jobs."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(there, int(os.environ.get(SHARE, there)))
