"""`--help`: what can be typed, and the config as it stands. Hydra's own reads all sources anew for every group."""

from __future__ import annotations

import string
from pathlib import Path

from omegaconf import OmegaConf, open_dict

from src.cli.arguments import groups, typed
from src.config.compose import compose


def is_asked_for() -> bool:
    """Whether --help was typed, with no flag that only Hydra's own understands."""
    flags, words = typed()
    return flags.help and not any(word.startswith("-") for word in words)


def show() -> None:
    """Print the template in conf/train.yaml, filled in for what else was typed."""
    flags, overrides = typed()
    added = [f"hydra.searchpath=[file://{Path(flags.config_dir).absolute()}]"] if flags.config_dir else []
    cfg = compose(*added, *overrides, with_hydra=True)
    template = string.Template(cfg.hydra.help.template)
    with open_dict(cfg):
        del cfg["hydra"]
    choices = "".join(f"{group}: {', '.join(choices)}\n" for group, choices in groups().items())
    print(template.substitute(APP_CONFIG_GROUPS=choices, CONFIG=OmegaConf.to_yaml(cfg)))
