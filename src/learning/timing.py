"""Where in a run are we?"""

from __future__ import annotations

import lightning as L


def ends(trainer: L.Trainer) -> bool:
    """Whether this epoch is the last one."""
    is_last = trainer.current_epoch + 1 == trainer.max_epochs or trainer.global_step == trainer.max_steps
    return trainer.should_stop or is_last


def can_resume_here(trainer: L.Trainer) -> bool:
    """At a batch's end: whether what comes next is the next batch, so that a resumed run can go on with that.

    Not where gradients wait to be added up, and not before a validation or the epoch's end.
    """
    loop = trainer.fit_loop.epoch_loop
    if loop._should_accumulate() or loop._num_ready_batches_reached() or trainer.global_step == trainer.max_steps:
        return False
    assert trainer.fit_loop._data_fetcher is not None
    return not trainer.should_stop and not loop._should_check_val_fx(trainer.fit_loop._data_fetcher)
