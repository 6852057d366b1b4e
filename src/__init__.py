"""Kindling: train a model, one command."""
