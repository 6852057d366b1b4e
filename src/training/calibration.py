"""After the last epoch: the probabilities of the best one are calibrated on the val split."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.config.build import locate
from src.console.messages import UserError
from src.console.screen import is_first_process

if TYPE_CHECKING:
    import lightning as L
    from torch import Tensor


def check_calibrated(target: str, typed: Sequence[str]) -> None:
    """Raise UserError if `calibrate` is among the overrides that were `typed`, and the module `target` is no child of
    ours: nothing is known of its probabilities.
    """
    from src.module import SupervisedModule

    module_class: Any = locate("module", target)
    for override in typed:
        if override.partition("=")[0] == "calibrate" and not issubclass(module_class, SupervisedModule):
            raise UserError(f"{override}: {target} takes no calibrate.")


@contextmanager
def calibrating(trainer: L.Trainer, best: Path) -> Iterator[dict[str, float]]:
    """Inside it the checkpoint `best`, when it is scored on val, learns by what its outputs are divided.

    To do so again makes no difference. Gives the temperature, and the expected calibration error on val with and
    without it; nothing where there are no probabilities, or no val split.
    """
    import torch

    from src.files.checkpoints import AtomicCheckpointIO, load_checkpoint
    from src.learning.calibration import calibration_error, fitted_temperature, thinned
    from src.learning.devices import joined
    from src.module import SupervisedModule

    module, found = trainer.lightning_module, dict[str, float]()
    if not isinstance(module, SupervisedModule) or module.task.temperature is None:
        yield found
        return

    def learn(kept: list[tuple[Tensor, Tensor]]) -> None:
        outputs, y = joined(thinned(kept))
        task = copy.deepcopy(module.task).cpu()
        temperatures = [1.0, fitted_temperature(task, outputs, task.target(y))]
        errors = list[float]()
        for temperature in temperatures:
            task.temperature.fill_(temperature)
            errors.append(calibration_error(task.predictions(outputs), task.truth(y)))
        found.update(temperature=temperatures[1], ece_uncalibrated=errors[0], ece=errors[1])
        module.task.temperature.fill_(temperatures[1])
        if is_first_process():
            checkpoint = load_checkpoint(best)
            checkpoint["state_dict"]["task.temperature"] = torch.tensor(temperatures[1])
            AtomicCheckpointIO().save_checkpoint(checkpoint, best)
        trainer.strategy.barrier()  # for the other devices, which are to test what it holds now

    with module.val_metrics.before_counting(learn):
        yield found
