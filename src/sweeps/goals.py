"""What a search is for: metrics that are measured, and whether smaller is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from src.config.build import build, locate, plain, shown
from src.console.messages import UserError

if TYPE_CHECKING:
    from src.learning.metrics import Mode

MOST = 2  # that two samplers and the closing table can weigh


def goals_of(cfg: DictConfig) -> list[str]:
    """The metrics of search.goals, or the monitor. Raises UserError if they are none, or too many."""
    goals = cfg.search.goals if cfg.search.goals is not None else [cfg.monitor]
    if isinstance(goals, str):
        goals = [goals]
    if not OmegaConf.is_list(goals) and not isinstance(goals, list):
        raise UserError(f"search.goals={shown(goals)}: metrics are needed, such as [val/accuracy,val/loss].")
    if not goals or None in goals:
        raise UserError("A search needs a goal: monitor=val/loss, or search.goals=[val/accuracy].")
    if len(set(goals)) != len(goals) or len(goals) > MOST:
        raise UserError(f"search.goals=[{','.join(goals)}]: one metric, or two others.")
    return list(map(str, goals))


def modes_of(goals: Sequence[str], cfg: DictConfig) -> list[Mode]:
    """min or max, for each of them, in a job with this config.

    Raises:
        UserError: one is not measured (it names those that are), or does not say what is better.
    """
    from src.learning.metrics import check_measured, known_mode

    measured = _measured(cfg)
    key = "search.goals" if cfg.search.goals is not None else "monitor"
    modes: list[Mode] = []
    for goal in goals:
        if measured:
            check_measured(key, goal, measured)
        own = measured.get(goal) or cfg.mode
        modes.append(known_mode(goal, cfg.mode or own if goal == cfg.monitor else own))
    return modes


def _measured(cfg: DictConfig) -> dict[str, Mode | None]:
    """The metrics of an epoch, with what is better; none for a module of one's own, which says so when it runs."""
    from src.learning.epoch_metrics import EpochMetrics
    from src.learning.metrics import build_metrics
    from src.module import SupervisedModule

    module_class: Any = locate("module", cfg.module["_target_"])
    if not (isinstance(module_class, type) and issubclass(module_class, SupervisedModule)):
        return {}
    data = build(cfg.data, "data")
    data.prepare_data()
    data.setup("fit")
    task = build(cfg.task, "task", data=data.description)
    splits = ["val", "train"] if len(data.splits["val"]) else ["train"]
    parts = [EpochMetrics(split, build_metrics(plain(cfg.metrics), task, split), task) for split in splits]
    return {name: part.mode(name) for part in parts for name in part.names}
