"""Lightning's Trainer, and what it scores at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig

from src.config.build import build
from src.console.screen import notice

if TYPE_CHECKING:
    import lightning as L


def build_trainer(cfg: DictConfig, **options: Any) -> L.Trainer:
    """Lightning's Trainer; its own bar and summary would come beside ours."""
    if cfg.trainer.check_val_every_n_epoch == "auto":
        options["check_val_every_n_epoch"] = 1
    trainer = build(cfg.trainer, "trainer", enable_progress_bar=False, enable_model_summary=False, **options)
    # Ours know when it is safe to stop. Lightning's stop between a step and its validation, and wait for other devices
    # inside a signal's handler, which may be for ever.
    trainer._signal_connector.register_signal_handlers = lambda: None
    return trainer


def scored(trainer: L.Trainer, best: Path, tests: bool = True) -> dict[str, float]:
    """Metrics of the checkpoint `best` on val and test; none of a split that is not there, or that nobody scores."""
    metrics = [*_scored(trainer, "validate", best), *(_scored(trainer, "test", best) if tests else [])]
    return {name: value for some in metrics for name, value in some.items()}


def _scored(trainer: L.Trainer, verb: str, best: Path) -> list[Any]:
    from lightning.pytorch.utilities.model_helpers import is_overridden

    from src.datamodule import data_of

    step = {"validate": "validation_step", "test": "test_step"}[verb]
    if not is_overridden(step, trainer.lightning_module):
        return []
    return getattr(trainer, verb)(trainer.lightning_module, data_of(trainer), ckpt_path=best, verbose=False)


def tell_time(trainer: L.Trainer) -> None:
    """Say so if trainer.max_time has ended the run."""
    from lightning.pytorch.callbacks import Timer

    timer = next((callback for callback in cast(Any, trainer).callbacks if isinstance(callback, Timer)), None)
    left = timer.time_remaining() if timer else None
    if left is not None and left <= 0:
        notice(
            f"trainer.max_time was up after {trainer.current_epoch} epochs, the last of them perhaps in part; the best "
            "is tested. To train longer: a larger one, and another name=."
        )
