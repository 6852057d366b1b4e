"""The sweeper of `-m search=optuna`: trials that are chosen by what came out of those before."""

from __future__ import annotations

from contextlib import closing

from hydra.core.config_store import ConfigStore
from hydra_plugins.kindling.grid import Grid
from hydra_plugins.kindling.launching import launched
from omegaconf import DictConfig, OmegaConf

from src.cli.errors import ExplainedError
from src.config.compose import without_hydra
from src.console.extras import need

NODE = {"_target_": "hydra_plugins.kindling.search.Optuna", "params": None}  # params: overrides that stand in a YAML
ConfigStore.instance().store(group="hydra/sweeper", name="optuna", node=NODE, provider="kindling")


class Optuna(Grid):
    """A study that goes on where it was; how many trials run at once, and where, is the launcher's."""

    def sweep(self, arguments: list[str]) -> None:
        assert self.config is not None
        assert self.launcher is not None
        need("search=optuna", "optuna", "sweep")
        from src.sweeps.search import Search
        from src.sweeps.space import overrides_of, space_of

        overrides = self.parsed(arguments)
        typed_keys = {override.get_key_element().lstrip("+") for override in overrides}
        in_yaml = self.parsed([*self._parse_config(), *overrides_of(self.config.search.space)])
        in_yaml = [override for override in in_yaml if override.get_key_element().lstrip("+") not in typed_keys]
        fixed = [str(override.input_line) for override in (*in_yaml, *overrides) if not override.is_sweep_override()]
        sweep = Search(fixed, space_of([*in_yaml, *overrides]), self.config)
        with sweep.opened(self._composed):
            sweep.say_plan()
            OmegaConf.save(self.config, sweep.folder / "multirun.yaml")
            with sweep.shown():
                while sweep.is_left:
                    with closing(launched(self.launcher, sweep.asked())) as stream:
                        for ended in stream:
                            sweep.has_ended(ended)
            is_good = sweep.report()
        if not is_good:
            raise ExplainedError

    def _composed(self, overrides: list[str]) -> DictConfig:
        assert self.config is not None
        assert self.hydra_context is not None
        return without_hydra(self.hydra_context.config_loader.load_sweep_config(self.config, overrides))
