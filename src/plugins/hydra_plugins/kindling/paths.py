"""The choice of a group may be the path of a file, as in experiment=outputs/hunt/best.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from yaml import YAMLError

from src.console.messages import UserError, first_line


class Paths(ConfigSource):
    """A place where Hydra looks for GROUP/PATH.yaml: it is PATH.yaml, seen from the current folder."""

    @staticmethod
    def scheme() -> str:
        return "path"

    def load_config(self, config_path: str) -> ConfigResult:
        file = _file(config_path)
        try:
            return FileConfigSource(self.provider, str(file.parent)).load_config(file.name)
        except (YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{file} is no YAML: {first_line(error)}.") from error

    def is_config(self, config_path: str) -> bool:
        return config_path.endswith(".yaml") and _file(config_path).is_file()

    def is_group(self, config_path: str) -> bool:
        return False

    def available(self) -> bool:
        return True

    def list(self, config_path: str, results_filter: Any) -> list[str]:
        return []


class PathsToo(SearchPathPlugin):
    """Hydra looks there last."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("kindling", "path://")


def _file(config_path: str) -> Path:
    return Path(config_path.partition("/")[2])
