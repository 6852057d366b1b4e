"""The one LightningModule for learning y from x: net + task + loss + optimizer + scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from src.config.build import build, in_terms_of
from src.config.trust import trusted
from src.console.messages import UserError
from src.datamodule import DataModule, datamodule_of, description_in
from src.datasets.description import DataDescription
from src.datasets.prepared import Prepared
from src.files.checkpoints import built, load_checkpoint, restored
from src.learning.check import check_loss, check_metrics, check_net, tell_probabilities
from src.learning.devices import of_all_devices
from src.learning.epoch_metrics import EpochMetrics
from src.learning.loss import build_loss, is_balanced, loss_of_members
from src.learning.metrics import Mode, build_metrics, check_measured, known_mode
from src.learning.net import build_net, freeze, predicting
from src.learning.optimization import as_long_as_the_run, build_optimizer, build_schedule, is_plateau
from src.learning.subsample import Subsample
from src.learning.timing import ends
from src.learning.weights import check_same_net, load_weights
from src.nets.standardize import Standardize
from src.tasks import Task

Batch = tuple[Tensor, Tensor]
CompileMode = Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]
REMEDY = "Try a smaller optimizer.lr or trainer.gradient_clip_val=1."


class SupervisedModule(L.LightningModule):
    """Learns y from x; `module(x)` predicts from raw x.

    Args:
        net: spec of the net: `_target_` and parameters; it is called with `input_shape` and `output_size` too.
        task: spec of the task; it is called with the description of the data too.
        optimizer: spec of the optimizer; its `groups` give parts of the net options of their own.
        scheduler: spec of the learning-rate scheduler, with Lightning's interval, frequency and monitor.
        loss: spec of what is called with outputs and targets, such as torch.nn.HuberLoss; None: the task's own.
        metrics: specs by name of metrics of torchmetrics, beside the task's own.
        weights: a file of parameters that the net starts from.
        freeze: patterns of names of parameters that do not learn.
        standardize: inputs, and the targets of a regression, to mean 0 and deviation 1 of the training split.
        compile: torch.compile the net for training; or a mode of that, such as reduce-overhead.
        channels_last: convolutions compute in the order (batch, height, width, channels).

    Net, task and all that depends on the data are built when these are known, in `setup` or from a checkpoint.
    """

    hparams: Any

    def __init__(
        self,
        net: dict[str, Any],
        task: dict[str, Any],
        optimizer: dict[str, Any],
        scheduler: dict[str, Any] | None,
        loss: dict[str, Any] | None,
        metrics: dict[str, dict[str, Any]],
        weights: str | None,
        freeze: list[str],
        standardize: bool,
        compile: bool | CompileMode,
        channels_last: bool = False,  # older checkpoints do not know it
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.data: DataDescription | None = None
        self.has_val = self.is_validated = False
        self.flops = 0.0  # of the net for an example
        self.every = 1  # epochs between two that are measured
        self.epoch_begun: dict[str, Any] = {}

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: str | Path,
        map_location: str | torch.device | None = None,
        weights_only: bool = True,
        trust: bool = False,
    ) -> SupervisedModule:
        """The module that a run has left in a checkpoint, ready to predict; Lightning's own would build anything.

        Args:
            map_location: the device that it is on; None: the CPU.
            trust: whether to build whatever it names, which can run any code; else what src/config/trust.py allows.

        Raises:
            UserError: no checkpoint, a broken one or not of this module, or one that names what may not be built.
        """
        if not weights_only:
            raise UserError(
                "weights_only=False runs what a checkpoint says. Those of this project need weights_only=True."
            )
        with trusted(trust):
            checkpoint = load_checkpoint(checkpoint_path)
            module = restored(built(cls, checkpoint, checkpoint_path), checkpoint)
        return module if map_location is None else module.to(map_location)

    def forward(self, x: Tensor) -> Tensor:
        """Predictions for raw x (B, *input_shape): of a regression values (B, K), else probabilities (B, C)."""
        return self.task.predictions(self.net(self.inputs(x)).float())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, _ = self._step(batch, self.train_metrics)
        if not loss.requires_grad:
            raise UserError(
                "net: it has no part in its outputs that could learn: is there a detach() or no_grad() in it?"
            )
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.task.predictions(self._step(batch, self.val_metrics)[1].float())

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.task.predictions(self._step(batch, self.test_metrics)[1].float())

    def _step(self, batch: Batch, metrics: EpochMetrics) -> tuple[Tensor, Tensor]:
        """The loss to learn from, and the net's outputs."""
        x, y = batch
        target = self.task.target(y)
        outputs = self.net(x if isinstance(batch, Prepared) else self.inputs(x))
        auxiliary: list[Tensor] = []
        if isinstance(outputs, tuple):  # in training a net may have more classifiers than the one that will predict
            outputs, *auxiliary = outputs
        loss, outputs = loss_of_members(self.loss, outputs, target, self.task.output_shape)
        outputs = outputs.detach() if isinstance(self.hparams.compile, bool) else outputs.detach().clone()  # of a graph
        self._finite(metrics.update, loss.detach(), outputs, y)
        for more in auxiliary:
            loss = loss + self._auxiliary_weight() * self.loss(more, target)
        return loss, outputs

    def _auxiliary_weight(self) -> float:
        if not hasattr(self.net, "auxiliary_weight"):
            name = self.hparams.net["_target_"]
            raise UserError(f"net: {name} answers several times in training: it needs an auxiliary_weight.")
        return self.net.auxiliary_weight

    def on_train_epoch_start(self) -> None:
        self.is_validated = False  # in this epoch

    def on_train_epoch_end(self) -> None:
        if not self.is_measured:
            self._finite(self.train_metrics.forget)
            return
        self._log(self.train_metrics)
        scheduler = self.lr_schedulers()
        if is_plateau(scheduler):
            self._step_plateau(scheduler)

    def on_validation_epoch_end(self) -> None:
        self.is_validated = True
        self._log(self.val_metrics)

    def on_test_epoch_end(self) -> None:
        self._log(self.test_metrics)

    def _log(self, metrics: EpochMetrics) -> None:
        """The same on all devices: torchmetrics has summed up."""
        values = self._finite(metrics.compute)
        if self.trainer.state.fn == TrainerFn.FITTING and not self.loggers:  # then callbacks alone wait for them
            self.trainer.callback_metrics.update(values)  # `log_dict` would take 0.3 ms for each value
        else:
            self.log_dict(values, sync_dist=True)

    def _finite(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call one of metrics. A loss that is nan or infinite ends the run, before such weights are saved."""
        try:
            return function(*args)
        except FloatingPointError as error:
            what, batches_ago = error.args
            place = f"epoch {self.current_epoch}"
            for optimizer in self.trainer.optimizers[:1]:
                place += f", step {self.global_step - batches_ago}, lr {optimizer.param_groups[0]['lr']:g}"
            raise UserError(f"{what} in {place}. {REMEDY}") from error

    @property
    def is_measured(self) -> bool:
        """At an epoch's end: whether its metrics are known. All are, but for tiny ones: see `EpochEnds`."""
        return (self.current_epoch + 1) % self.every == 0 or ends(self.trainer)

    @property
    def waits_for_metric(self) -> bool:
        """Whether the learning rate follows a metric, epoch by epoch."""
        return is_plateau(self.lr_schedulers())

    @property
    def measured(self) -> list[str]:
        """The metrics of an epoch."""
        return [*(self.val_metrics.names if self.has_val else ()), *self.train_metrics.names]

    def mode_of(self, metric: str) -> Mode:
        """Whether a smaller or a larger value is better. Raises UserError if the metric does not say."""
        of_split = self.val_metrics if metric.startswith("val/") else self.train_metrics
        return known_mode(metric, of_split.mode(metric))

    # --- what is built once the data are known ---------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        data = datamodule_of(self.trainer)
        if data is None:
            return
        self.has_val = len(data.splits["val"]) > 0
        if self.data is None:
            self.build_for(data.description)
            self._check(*data.examples())
            if self.hparams.weights is not None and self.trainer.ckpt_path is None:  # else it goes on with other ones
                with in_terms_of("weights", {}):
                    load_weights(self.net, self.hparams.weights)
        else:
            self.data.check_same(data.description)
        data.flops = self.flops = self.flops or self._flops(data)
        if stage == "fit":
            self._learn_from_training(data)
            data.prepare = self._prepare
            if self.hparams.compile:
                self.net.compile(mode=None if self.hparams.compile is True else self.hparams.compile)

    def build_for(self, data: DataDescription) -> None:
        """Net, task, loss, scales and metrics for such data."""
        h = self.hparams
        self.data = data
        self.task = build(h.task, "task", data=data)
        if not isinstance(self.task, Task):
            raise UserError(f"task: {h.task['_target_']} is no {Task.__module__}.Task.")
        self.net = build_net(h.net, data, self.task.output_size)
        freeze(self.net, h.freeze)
        if h.channels_last:  # what reads the weights of a layer in this order passes its outputs on in it
            self.net.to(memory_format=torch.channels_last)
        self.loss = build_loss(h.loss, self.task)
        self.input_scale = Standardize(data.input_shape)
        self.train_metrics, self.val_metrics, self.test_metrics = (
            EpochMetrics(split, build_metrics(h.metrics, self.task, split), self.task)
            for split in ("train", "val", "test")
        )

    def inputs(self, x: Tensor) -> Tensor:
        """What the net reads: x standardized; as it is if it holds indices for an embedding."""
        assert self.data is not None
        return x if self.data.indices else self.input_scale(x.to(self.input_scale.mean.dtype))

    @torch.no_grad()
    def _prepare(self, x: Tensor, y: Tensor) -> Prepared:
        """Raw examples as the net reads them, on its device."""
        x, y = self.trainer.precision_plugin.convert_input((x.to(self.device), y.to(self.device)))
        return Prepared(self.inputs(x), y)

    def _check(self, x: Tensor, y: Tensor) -> None:
        """Try net, loss and metrics on two examples."""
        net, own_loss = self.hparams.net["_target_"], (self.hparams.loss or {}).get("_target_")
        with predicting(self.net):
            outputs = check_net(net, lambda x: self.net(self.inputs(x)), self.task, x)
            if own_loss is None:
                tell_probabilities(net, self.net, self.task, outputs, self.inputs(x))
        if own_loss is not None:
            check_loss(own_loss, self.loss, self.task, outputs, y)
        check_metrics({name: self.val_metrics.metrics[name] for name in self.hparams.metrics}, self.task, outputs, y)

    def _flops(self, data: DataModule) -> float:
        """Floating-point operations of the net for one example, as far as torch counts them."""
        x, _ = data.examples(next(split for split, subset in data.splits.items() if subset))
        with predicting(self.net), FlopCounterMode(display=False) as counter:
            self.net(self.inputs(x.to(self.device)))
        return counter.get_total_flops() / len(x)

    def outputs(self, x: Tensor) -> Tensor:
        """The net's outputs for x (B, *input_shape), as in validation, in the trainer's precision."""
        with predicting(self.net), self.trainer.precision_plugin.forward_context():
            return self.net(self.inputs(x))

    def _learn_from_training(self, data: DataModule) -> None:
        """From the training split: standardization, what the net asks about its inputs, the weights of classes.

        Batch by batch: all together may be too many.
        """
        assert self.data is not None
        scale_x = self.input_scale if self.hparams.standardize and not self.data.indices else None
        scale_y = self.task.target_scale if self.hparams.standardize else None
        counts = self.task.counts() if is_balanced(self.hparams.loss) else None
        some = Subsample(len(data.splits["train"])) if hasattr(self.net, "learn_inputs") else None
        for scale in filter(None, (scale_x, scale_y)):
            scale.forget()
        for x, y in data.training_batches() if scale_x or scale_y or counts or some else ():
            truth = self.task.truth(y)
            if scale_x:
                scale_x.learn(x)
            if scale_y:
                scale_y.learn(truth)
            if counts:
                counts.add(truth)
            if some:
                some.add(x)
        if counts:
            cast(Any, self.loss).weight.copy_(counts.balanced_weight())
        if some:
            self.net.learn_inputs(self.inputs(some.all()))

    # --- optimizer and scheduler -----------------------------------------------------------------------------------

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = build_optimizer(self.hparams.optimizer, self, self.trainer)
        if self.hparams.scheduler is None:
            return {"optimizer": optimizer}
        if self.hparams.scheduler.get("monitor") is not None:
            check_measured("scheduler.monitor", self.hparams.scheduler["monitor"], self.measured)
        schedule = build_schedule(self.hparams.scheduler, optimizer, self.trainer, self.mode_of)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not is_plateau(scheduler):
            scheduler.step()

    def _step_plateau(self, scheduler: Any) -> None:
        """Here, since Lightning would do it only after the epoch's checkpoint: a resumed run would lack the step."""
        spec = self.hparams.scheduler
        is_known = self.is_validated or spec["monitor"].startswith("train/")
        if is_known and (self.current_epoch + 1) % spec["frequency"] == 0:
            scheduler.step(self.trainer.callback_metrics[spec["monitor"]])

    # --- a run that goes on inside an epoch ------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if not all(parameter.isfinite().all() for parameter in self.parameters()):
            raise UserError(f"The weights are nan or infinite. {REMEDY}")
        counted = of_all_devices(self.train_metrics.counted_so_far())
        checkpoint["epoch_begun"] = {"is_validated": self.is_validated, "counted": counted}

    def on_train_start(self) -> None:
        if self.epoch_begun:
            self.is_validated = self.epoch_begun["is_validated"]
            self.train_metrics.go_on_from(self.epoch_begun["counted"][self.trainer.global_rank], self.device)
            for config in self.trainer.lr_scheduler_configs:
                config.scheduler = as_long_as_the_run(
                    config.scheduler, self.hparams.scheduler, self.trainer, self.mode_of
                )

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        self.epoch_begun = checkpoint["epoch_begun"]
        if self.data is None:
            self.build_for(description_in(checkpoint))
        mine, theirs = self.state_dict(), checkpoint["state_dict"]
        if "task.temperature" in mine:
            theirs.setdefault("task.temperature", torch.ones(()))  # older checkpoints do not know it
        check_same_net(mine, theirs)
