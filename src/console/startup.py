"""A command that starts makes a million objects that stay: Python need not look for garbage among them.

It would do so again and again while torch and Lightning are imported, and after that in every longer run: a fifth of
the time from Enter to the first step.
"""

from __future__ import annotations

import gc
import sys

_is_going_on = False


def begin() -> None:
    """No garbage is looked for until `end`; where torch is there already, as in a notebook, nothing changes."""
    global _is_going_on
    if "torch" not in sys.modules:
        _is_going_on = True
        gc.disable()


def end() -> None:
    """All is imported: from now on only what is new is looked through. Does nothing if no command has begun."""
    global _is_going_on
    if _is_going_on:
        _is_going_on = False
        gc.freeze()
        gc.enable()
