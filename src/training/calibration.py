"""After the last epoch: the probabilities of the best one are calibrated on the val split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src.console.screen import is_first_process
from src.training.trainer import scored

if TYPE_CHECKING:
    import lightning as L


def calibrate(trainer: L.Trainer, best: Path) -> dict[str, float]:
    """Write into the checkpoint `best` by what its outputs are divided. To do so again makes no difference.

    Returns the temperature, and the expected calibration error on val with and without it; nothing where there are no
    probabilities, or no val split.
    """
    import torch

    from src.files.checkpoints import AtomicCheckpointIO, load_checkpoint
    from src.learning.calibration import calibration_error, fitted_temperature
    from src.learning.devices import of_all_devices
    from src.module import SupervisedModule

    module = trainer.lightning_module
    if not isinstance(module, SupervisedModule) or module.task.temperature is None or not module.has_val:
        return {}
    with module.val_metrics.keeping() as kept:
        scored(trainer, best, tests=False)
    batches = [batch for of_device in of_all_devices(kept) for batch in of_device]
    if not batches:  # trainer.limit_val_batches=0
        return {}
    outputs, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    del batches, kept
    task, temperatures = module.task.cpu(), [1.0, fitted_temperature(module.task, outputs, module.task.target(y))]
    errors = list[float]()
    for temperature in temperatures:
        task.temperature.fill_(temperature)
        errors.append(calibration_error(task.predictions(outputs), task.truth(y)))
    if is_first_process():
        checkpoint = load_checkpoint(best)
        checkpoint["state_dict"]["task.temperature"] = torch.tensor(temperatures[1])
        AtomicCheckpointIO().save_checkpoint(checkpoint, best)
    trainer.strategy.barrier()
    return {"temperature": temperatures[1], "ece_uncalibrated": errors[0], "ece": errors[1]}
