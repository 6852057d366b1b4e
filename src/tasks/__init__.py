"""What is learnt: all that depends on the kind of target, in one object."""

from __future__ import annotations

from src.tasks.auto import auto
from src.tasks.classification import Classification
from src.tasks.multilabel import MultiLabel
from src.tasks.regression import Regression
from src.tasks.task import Task

__all__ = ["Classification", "MultiLabel", "Regression", "Task", "auto"]
