"""Kindling: train a model, one command."""

import signal
import sys

if sys.argv[:1] == ["-m"]:  # `python -m src.train` begins: Ctrl-C ends it without a traceback while it is imported
    signal.signal(signal.SIGINT, signal.SIG_DFL)
