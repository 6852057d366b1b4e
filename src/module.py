"""The one LightningModule: net + task + optimizer + scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src.config.build import blamed_on, build
from src.learning.check import check_net
from src.learning.optimization import build_optimizer, build_schedule
from src.learning.standardize import Standardize
from src.learning.weights import load_weights
from src.tasks.task import TASKS, EpochScores


class SupervisedModule(L.LightningModule):
    """Learns y from x; `module(x)` answers for raw x.

    Args:
        net: spec of the net: `_target_` and parameters; it is called with `input_shape` and `output_size` too.
        optimizer: spec of the optimizer.
        scheduler: spec of the learning-rate scheduler, with Lightning's interval, frequency and monitor.
        loss: spec of what is called with scores and targets, such as torch.nn.HuberLoss; None or {}: the task's own.
        weights: a file of parameters that the net starts from.
        standardize: inputs, and the targets of a regression, to mean 0 and deviation 1 of the training split.
        compile: torch.compile the net for training.
        task: regression | binary | multiclass; like the rest below it is learnt from the data and kept in checkpoints.
        input_shape: of one example.
        output_size: values of a regression, 1 for binary, else the number of classes.
        classes: their names; None for a regression.
        targets: what is predicted: the name of the class, or of each value.
        reader: spec of what reads new inputs as these data were read, with all that was learnt from them.
        fingerprint: of the data, to know them again.
    """

    hparams: Any

    def __init__(
        self,
        net: dict[str, Any],
        optimizer: dict[str, Any],
        scheduler: dict[str, Any] | None = None,
        loss: dict[str, Any] | None = None,
        weights: str | None = None,
        standardize: bool = True,
        compile: bool = False,
        task: str | None = None,
        input_shape: list[int] | None = None,
        output_size: int | None = None,
        classes: list[str] | None = None,
        targets: list[str] | None = None,
        reader: dict[str, Any] | None = None,
        fingerprint: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if input_shape is not None:
            self._build()

    def forward(self, x: Tensor) -> Tensor:
        """Answers for raw x (B, *input_shape): values (B, K) in the target's own units, or probabilities (B, C)."""
        return self.predictions(self.net(self.inputs(x)))

    def predictions(self, scores: Tensor) -> Tensor:
        answers = self.task.answer(scores.float())
        return self.target_scale.inverse(answers) if self.hparams.task == "regression" else answers

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, self.train_scores)[0]

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, self.val_scores)[1]

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, self.test_scores)[1]

    def _step(self, batch: tuple[Tensor, Tensor], epoch_scores: EpochScores) -> tuple[Tensor, Tensor]:
        """The loss to learn from, and the predictions."""
        x, y = batch
        if self.hparams.task == "regression":
            y = y.reshape(len(y), -1)  # (B,) -> (B, 1)
            target = self.target_scale(y)
        else:
            y = target = y.reshape(len(y)).long()
        scores = self.net(self.inputs(x))  # (B, K), (B, 1) or (B, C)
        auxiliary: list[Tensor] = []
        if isinstance(scores, tuple):  # in training a net may have more classifiers than the one that will answer
            if not hasattr(self.net, "auxiliary_weight"):
                name = self.hparams.net["_target_"]
                raise ValueError(f"net: {name} answers several times in training: it needs an auxiliary_weight.")
            scores, *auxiliary = scores
        loss = self.loss(scores, target)
        predictions = self.predictions(scores.detach())
        epoch_scores.update(loss.detach(), predictions, y)
        for scores in auxiliary:
            loss = loss + self.net.auxiliary_weight * self.loss(scores, target)
        return loss, predictions

    def on_train_epoch_end(self) -> None:
        self._log(self.train_scores)
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, ReduceLROnPlateau):
            self._step_plateau(scheduler)

    def on_train_epoch_start(self) -> None:
        self.is_validated = False  # in this epoch

    def on_validation_epoch_end(self) -> None:
        self.is_validated = True
        self._log(self.val_scores)

    def on_test_epoch_end(self) -> None:
        self._log(self.test_scores)

    def _log(self, epoch_scores: EpochScores) -> None:
        try:
            self.log_dict(epoch_scores.compute(), sync_dist=True)  # the same on all devices: torchmetrics has summed up
        except FloatingPointError as error:  # before anything is saved: such weights are worth nothing
            lr = (
                f", step {self.global_step}, lr {self.trainer.optimizers[0].param_groups[0]['lr']:g}"
                if self.trainer.optimizers
                else ""
            )
            raise ValueError(
                f"{error} in epoch {self.current_epoch}{lr}. Try a smaller optimizer.lr or trainer.gradient_clip_val=1."
            ) from error

    # --- what is known once the data are ---------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        data = cast(Any, self.trainer).datamodule
        if data is None:
            return
        if self.hparams.input_shape is None:
            self.hparams.update(
                task=data.task,
                input_shape=list(data.input_shape),
                output_size=data.output_size,
                classes=data.classes,
                targets=data.targets,
                reader=data.reader,
                fingerprint=data.fingerprint(),
            )
            self._build()
            check_net(self, data.example())
            if self.hparams.weights is not None and self.trainer.ckpt_path is None:  # else it goes on with other ones
                with blamed_on("weights"):
                    load_weights(self.net, self.hparams.weights)
        else:
            self.check_data(data)
        if stage == "fit":
            if self.hparams.standardize:
                self._standardize(data)
            if self.hparams.compile:
                self.net.compile()

    def check_data(self, data: Any) -> None:
        """Raise ValueError if the DataModule's examples are not like those that this module was trained on."""
        for name in ("task", "input_shape", "output_size", "classes"):
            mine, theirs = self.hparams[name], getattr(data, name)
            if mine != (list(theirs) if name == "input_shape" else theirs):
                raise ValueError(f"The run was trained on data with {name} {mine}, but these have {theirs}.")

    def _build(self) -> None:
        """Net, task, scales and scores from the hyperparameters."""
        h = self.hparams
        self.task = TASKS[h.task]
        given = {"input_shape": tuple(h.input_shape), "output_size": h.output_size}
        with blamed_on("net"):
            self.net = build(h.net, **given)
        with blamed_on("loss"):
            self.loss = build(h.loss) if h.loss else self.task.loss
        self.input_scale = Standardize(tuple(h.input_shape))
        self.target_scale = Standardize((h.output_size,))
        size = len(h.classes or []) or h.output_size
        self.train_scores = EpochScores("train", h.task, size)
        self.val_scores = EpochScores("val", h.task, size)
        self.test_scores = EpochScores("test", h.task, size)

    def inputs(self, x: Tensor) -> Tensor:
        """What the net reads: x standardized, or as it is if it holds indices (int64, for an embedding)."""
        return x if x.dtype == torch.int64 else self.input_scale(x.to(self.input_scale.mean.dtype))

    def try_net(self, x: Tensor, in_precision: bool = True) -> Tensor:
        """Scores of the net for x (B, *input_shape), as in validation: it learns nothing, no layer is random.

        `in_precision`: in the trainer's, to which Lightning converts the net after `setup`.
        """
        modes = [(module, module.training) for module in self.net.modules()]  # a net may have frozen some for good
        context = self.trainer.precision_plugin.forward_context() if in_precision else nullcontext()
        self.net.eval()
        try:
            with torch.no_grad(), context:
                return self.net(self.inputs(x))
        finally:
            for module, training in modes:
                module.training = training

    def _standardize(self, data: Any) -> None:
        has_numbers = data.example().dtype != torch.int64
        is_regression = self.hparams.task == "regression"
        self.input_scale.forget()
        self.target_scale.forget()
        for x, y in data.training_batches() if has_numbers or is_regression else ():
            if has_numbers:
                self.input_scale.learn(x)
            if is_regression:
                self.target_scale.learn(y.reshape(len(y), -1))

    # --- optimizer and scheduler -----------------------------------------------------------------------------------

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = build_optimizer(self.hparams.optimizer, self.parameters(), self.trainer)
        if self.hparams.scheduler is None:
            return {"optimizer": optimizer}
        schedule = build_schedule(self.hparams.scheduler, optimizer, self.trainer)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()

    def _step_plateau(self, scheduler: ReduceLROnPlateau) -> None:
        """Here, since Lightning would do it only after the epoch's checkpoint: a resumed run would lack the step."""
        spec = self.hparams.scheduler
        is_known = self.is_validated or spec["monitor"].startswith("train/")
        if is_known and (self.current_epoch + 1) % spec["frequency"] == 0:
            scheduler.step(self.trainer.callback_metrics[spec["monitor"]])

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        mine, theirs = self.state_dict(), checkpoint["state_dict"]
        differing = sorted(
            key
            for key in {*mine, *theirs}
            if key not in mine or key not in theirs or mine[key].shape != theirs[key].shape
        )
        if differing:
            raise ValueError(f"The checkpoint is of another net: it differs in {', '.join(differing[:4])}.")
