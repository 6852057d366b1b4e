"""A run's folder once it is trained: its config, results, net and data."""

from src.run.run import Run as Run
from src.run.run import asked_for as asked_for
from src.run.run import require as require
