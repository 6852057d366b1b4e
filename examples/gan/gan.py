"""A generative adversarial network (Goodfellow et al. 2014): a LightningModule with two nets and two optimizers."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.learning.optimization import build_optimizer


class GAN(L.LightningModule):
    """A generator makes images of noise; a discriminator learns to tell them from real ones.

    Args:
        image_shape: of one example, such as (1, 8, 8).
        brightest: the largest value of a pixel; the smallest is 0.
        noise: values that an image is made of.
        hidden: units of each of a net's two hidden layers.
        optimizer: spec of the optimizer; each net has one of its own.
    """

    hparams: Any

    def __init__(
        self,
        image_shape: list[int],
        brightest: float,
        noise: int,
        hidden: int,
        optimizer: dict[str, Any],
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False  # two optimizers take turns, and not by Lightning's rules
        pixels = math.prod(image_shape)
        self.generator = nn.Sequential(
            *(nn.Linear(noise, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            *(nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU()),
            *(nn.Linear(hidden, pixels), nn.Sigmoid(), nn.Unflatten(1, image_shape)),
        )
        self.discriminator = nn.Sequential(
            *(
                nn.Flatten(),
                nn.Linear(pixels, hidden),
                nn.LeakyReLU(0.2),
                nn.Dropout(0.3),
            ),
            *(nn.Linear(hidden, hidden), nn.LeakyReLU(0.2), nn.Dropout(0.3)),
            nn.Linear(hidden, 1),
        )
        self.real: list[Tensor] = []  # the images of one validation or test

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            build_optimizer(self.hparams.optimizer, net, self.trainer) for net in (self.generator, self.discriminator)
        ]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        real = batch[0] / self.hparams.brightest
        made = self.generator(torch.randn(len(real), self.hparams.noise, device=self.device))
        of_generator, of_discriminator = self.optimizers()

        scores = self.discriminator(real), self.discriminator(made.detach())
        d_loss = _loss(scores[0], is_real=True) + _loss(scores[1], is_real=False)
        of_discriminator.zero_grad()
        self.manual_backward(d_loss)
        of_discriminator.step()

        g_loss = _loss(self.discriminator(made), is_real=True)  # it is to be taken in
        of_generator.zero_grad()
        self.manual_backward(g_loss)
        of_generator.step()
        self.log_dict(
            {"train/d_loss": d_loss, "train/g_loss": g_loss},
            on_step=False,
            on_epoch=True,
        )

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.real.append(batch[0])

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.real.append(batch[0])

    def on_validation_epoch_end(self) -> None:
        self._score("val")

    def on_test_epoch_end(self) -> None:
        self._score("test")

    def _score(self, split: str) -> None:
        real, self.real = torch.cat(self.real), []
        self.log(f"{split}/told_apart", told_apart(real, self.generate(len(real))))

    def generate(self, count: int, seed: int = 0) -> Tensor:
        """Images (count, *image_shape) in the data's own units, always the same."""
        noise = torch.randn(count, self.hparams.noise, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return self.hparams.brightest * self.generator.eval()(noise.to(self.device))


def _loss(scores: Tensor, is_real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(is_real)))


def told_apart(real: Tensor, made: Tensor) -> Tensor:
    """The share of images whose nearest other image is of their own kind: 0.5 if they are alike, 1 if they are not.

    The leave-one-out test of Lopez-Paz & Oquab 2017; real and made are (N, ...) each.
    """
    images = torch.cat([real, made]).flatten(1)
    distances = torch.cdist(images, images).fill_diagonal_(math.inf)
    is_made = torch.arange(len(images), device=images.device) >= len(real)
    return (is_made[distances.argmin(dim=1)] == is_made).float().mean()
