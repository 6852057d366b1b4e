"""Arrays in files: a Dataset to learn from, and new examples for a finished run."""

from src.datasets.arrays.arrays import Arrays as Arrays
from src.datasets.arrays.reader import ArrayReader as ArrayReader
