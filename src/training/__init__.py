"""A run while it is trained: its folder is claimed, its trainer built, its end told, whichever it is."""

from src.training.training import Training as Training
