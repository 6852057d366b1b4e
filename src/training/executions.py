"""Several optimizer steps in one of Lightning's: around each it does what takes longer than a step of a small net.

Of K steps in an execution the first K - 1 are the few lines that one would write by hand, and the last is Lightning's
own, with all its hooks. Whatever else Lightning does, such as a validation, it does behind a last one, at the same
batch as ever: batches, weights and counts are those of K = 1, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import lightning as L
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.loops.utilities import _block_parallel_sync_behavior
from lightning.pytorch.plugins.precision import DoublePrecision, HalfPrecision, MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor

from src.console.messages import UserError
from src.datamodule import datamodule_of
from src.datasets.prepared import Prepared, PreparedLoader
from src.learning.timing import ends
from src.module import SupervisedModule

AUTO = (64, 0.1)  # at most so many steps, and about so many seconds: a signal and the progress bar wait no longer
MEASURED = 5  # steps before `auto` chooses; the fastest counts
# Hooks that only the last step of an execution calls.
IN_STEP = ("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step")
AROUND = ("on_train_batch_start", "on_train_batch_end", "backward", "optimizer_step", "optimizer_zero_grad")
OF_BATCH = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


class Executions(_TrainingEpochLoop):
    """The loop over the batches of an epoch.

    Args:
        steps: optimizer steps in an execution; None: as many as pay, for a small net with its data in memory, else 1.

    Attributes:
        steps: None until it is chosen.
    """

    def __init__(self, trainer: L.Trainer, steps: int | None) -> None:
        replaced = trainer.fit_loop.epoch_loop
        super().__init__(trainer, replaced.min_steps, replaced.max_steps)
        self.steps = steps
        self.seconds: list[float] = []
        self.is_checked = False

    def run(self, data_fetcher: _DataFetcher) -> None:
        """Raises UserError if `steps` were asked for that this run cannot take together."""
        is_prepared = all(isinstance(loader, PreparedLoader) for loader in data_fetcher.combined_loader.flattened)
        if not self.is_checked:
            self._check(is_prepared)
        super().run(_Direct(data_fetcher) if is_prepared else data_fetcher)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        if self.steps is None:
            self._measure(data_fetcher)
            return
        if not self.restarting:  # else Lightning may have a validation to end first
            self._take(self._batches_ahead() - 1, data_fetcher)
        super().advance(data_fetcher)

    def _should_check_val_epoch(self) -> bool:
        """The last epoch is always validated."""
        is_last = self.trainer.check_val_every_n_epoch is not None and ends(self.trainer)
        return super()._should_check_val_epoch() or (is_last and self.trainer.enable_validation)

    def _check(self, is_prepared: bool) -> None:
        self.is_checked, obstacle = True, _obstacle(self.trainer)
        if obstacle and (self.steps or 1) > 1:
            raise UserError(f"steps_per_execution={self.steps}: {obstacle} needs steps_per_execution=1.")
        if obstacle or not (is_prepared or self.steps):
            self.steps = 1

    def _measure(self, data_fetcher: _DataFetcher) -> None:
        began = time.perf_counter()
        super().advance(data_fetcher)
        self.seconds.append(time.perf_counter() - began)
        if len(self.seconds) == MEASURED:
            most, seconds = AUTO
            steps = max(1, min(most, int(seconds / min(self.seconds))))
            self.steps = self.trainer.strategy.broadcast(steps)  # all devices take the same, or wait for each other

    def _batches_ahead(self) -> int:
        """Up to the next one after which Lightning may have to do more than to take a step."""
        trainer, batches = self.trainer, self.batch_progress
        together = trainer.accumulate_grad_batches
        waiting = batches.current.ready % together
        ahead = [(self.steps or 1) * together - waiting, trainer.num_training_batches - batches.current.ready]
        if self.max_steps != -1:
            ahead.append((self.max_steps - self.global_step) * together - waiting)
        if isinstance(trainer.val_check_batch, int):
            seen = batches.total if trainer.check_val_every_n_epoch is None else batches.current
            ahead.append(trainer.val_check_batch - seen.ready % trainer.val_check_batch)
        return int(min(ahead))

    def _take(self, count: int, data_fetcher: _DataFetcher) -> None:
        """What Lightning does with so many batches, but for its hooks."""
        trainer, batches, learn = self.trainer, self.batch_progress, self._learning()
        strategy, optimizer = trainer.strategy, trainer.optimizers[0]
        step: Callable[..., Any] = (
            partial(strategy.optimizer_step, optimizer) if _is_scaled(trainer) else optimizer.step
        )
        taken = self.automatic_optimization.optim_progress.optimizer.step
        for _ in range(count):
            batch = next(data_fetcher)[0]
            if not isinstance(batch, Prepared):
                batch = strategy.batch_to_device(trainer.precision_plugin.convert_input(batch))
            batches.increment_ready()
            batches.increment_started()
            if trainer.accumulate_grad_batches > 1 and self._should_accumulate():
                with _block_parallel_sync_behavior(strategy):
                    learn(batch, clips=False)
            else:
                taken.increment_ready()
                step(partial(learn, batch))
                taken.increment_completed()
                self._batches_that_stepped += 1
                self._update_learning_rates("step", update_plateau_schedulers=False)
            batches.increment_processed()
            batches.increment_completed()

    def _learning(self) -> Callable[..., Tensor]:
        """Forward and backward for a batch; returns its loss."""
        trainer, module, optimizer = self.trainer, self.trainer.lightning_module, self.trainer.optimizers[0]
        strategy, together, is_scaled = trainer.strategy, trainer.accumulate_grad_batches, _is_scaled(trainer)
        clip, algorithm = trainer.gradient_clip_val, trainer.gradient_clip_algorithm

        def learn(batch: Any, clips: bool = True) -> Tensor:
            loss = cast(Tensor, strategy.training_step(batch, self.batch_idx)) / together
            if self.batch_idx % together == 0:
                optimizer.zero_grad()
            if is_scaled:
                return strategy.backward(loss, optimizer)
            loss.backward()
            if clips and clip:
                module.configure_gradient_clipping(optimizer, clip, algorithm)
            return loss

        return learn


def _is_scaled(trainer: L.Trainer) -> bool:
    """Whether the loss is scaled, as in 16-mixed: what belongs to it is Lightning's."""
    return getattr(trainer.precision_plugin, "scaler", None) is not None


class _Direct(_DataFetcher):
    """Batches of a PreparedLoader without the detour over all loaders that there may be."""

    def __init__(self, replaced: _DataFetcher) -> None:
        super().__init__()
        self.setup(replaced.combined_loader)
        iter(self)

    def __iter__(self) -> _Direct:
        [loader] = self.combined_loader.flattened
        self.iterator = iter(loader)
        self.reset()
        return self

    def __next__(self) -> Any:
        batch = next(cast(Any, self.iterator))
        self.fetched += 1
        self.done = self.fetched >= cast(int, self.length)
        return batch, self.fetched - 1, 0


def _obstacle(trainer: L.Trainer) -> str | None:
    """What in this run needs every step to be Lightning's own."""
    module, data = trainer.lightning_module, datamodule_of(trainer)
    if not isinstance(module, SupervisedModule):
        return f"a {type(module).__name__}, which is no SupervisedModule,"
    if type(trainer.strategy) not in (SingleDeviceStrategy, DDPStrategy):
        return f"the strategy {type(trainer.strategy).__name__}"
    if type(trainer.precision_plugin) not in (Precision, MixedPrecision, DoublePrecision, HalfPrecision):
        return f"trainer.precision={trainer.precision}"
    if not isinstance(cast(Any, trainer).profiler, PassThroughProfiler):
        return "trainer.profiler"
    callbacks = cast(Any, trainer).callbacks
    hooked = [(hook, part, L.Callback) for part in callbacks for hook in IN_STEP]
    hooked += [(hook, module, L.LightningModule) for hook in (*IN_STEP, *AROUND, *OF_BATCH)]
    hooked += [(hook, data, L.LightningDataModule) for hook in OF_BATCH]
    names = [f"{type(part).__name__}.{hook}" for hook, part, base in hooked if is_overridden(hook, part, base)]
    return names[0] if names else None
