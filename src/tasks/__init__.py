"""What is learnt: all that depends on the kind of target, in one object."""

from src.tasks.auto import auto as auto
from src.tasks.classification import Classification as Classification
from src.tasks.multilabel import MultiLabel as MultiLabel
from src.tasks.regression import Regression as Regression
from src.tasks.task import Task as Task
