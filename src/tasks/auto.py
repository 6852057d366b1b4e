"""The task that the data suggest."""

from __future__ import annotations

from src.console.messages import UserError
from src.datasets.description import DataDescription
from src.tasks.classification import Classification
from src.tasks.regression import Regression
from src.tasks.task import Task


def auto(data: DataDescription) -> Task:
    """A regression where y holds fractions, a classification where it is a class number.

    Raises:
        UserError: y is neither.
    """
    if data.target_is_float and data.classes is None:
        return Regression(data)
    if data.classes is not None and data.target_shape in ((), (1,)):
        return Classification(data)
    raise UserError(
        f"y of an example holds whole numbers of shape {list(data.target_shape)}, which may mean many things. "
        "Choose multilabel if each is 1 or 0, regression if they are amounts, or name a task of your own."
    )
