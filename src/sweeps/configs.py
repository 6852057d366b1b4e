"""The configs of a sweep's jobs."""

from __future__ import annotations

import pickle
from typing import Any

from hydra._internal import config_loader_impl
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from src.config.compose import HYDRA_1_4


class JobConfigs(config_loader_impl.ConfigLoaderImpl):
    """Hydra's loader, which reads conf/ once for all jobs of a sweep that choose the same files of it.

    Hydra reads it anew for each, which takes a tenth of a second.
    """

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self.of_files: dict[tuple[str, ...], bytes] = {}  # pickled: a deep copy takes six times as long

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        overrides = OverridesParser.create().parse_overrides(sweep_overrides)
        values = [override for override in overrides if self._is_value(override, master_config)]
        files = tuple(str(override.input_line) for override in overrides if override not in values)
        if files not in self.of_files:
            self.of_files[files] = pickle.dumps(super().load_sweep_config(master_config, list(files)))
        cfg: Any = pickle.loads(self.of_files[files])
        OmegaConf.copy_cache(master_config, cfg)
        self._apply_overrides_to_config(values, cfg)
        typed = [override for override in overrides if not override.is_hydra_override()]
        cfg.hydra.overrides.task = [override.input_line for override in typed]
        if not HYDRA_1_4:  # there it is an interpolation
            options = cfg.hydra.job.config.override_dirname
            cfg.hydra.job.override_dirname = config_loader_impl.get_overrides_dirname(typed, **options)
        return cfg

    def _is_value(self, override: Override, master_config: DictConfig) -> bool:
        """Whether it changes a value of the config alone, and not from which files that is made."""
        key = override.get_key_element().lstrip("+~")
        if override.is_hydra_override() or "@" in key or key.partition(".")[0] not in master_config:
            return False
        return isinstance(override.value(), dict) or not self.repository.group_exists(key)
