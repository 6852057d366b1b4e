"""Packages that only some features need, the extras of pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

from src.console.messages import UserError


def need(what: str, package: str, extra: str) -> None:
    """See that `package` is installed, which `what`, such as format=safetensors, cannot do without.

    Raises:
        UserError: it is missing; how to install it.
    """
    if find_spec(package) is None:
        raise UserError(f'{what} needs the package {package}: pip install -e ".[{extra}]"')
