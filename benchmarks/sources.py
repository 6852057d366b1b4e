"""Twenty tables of all kinds, each a DataFrame whose column `y` is the target: texts for classes, else numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets


def tables() -> dict[str, Callable[[], pd.DataFrame]]:
    """By name. The first five are scikit-learn's own; the others are generated, the same each time."""
    return {
        "wine": lambda: _shipped(datasets.load_wine()),
        "breast_cancer": lambda: _shipped(datasets.load_breast_cancer()),
        "digits": lambda: _shipped(datasets.load_digits()),
        "iris": lambda: _shipped(datasets.load_iris()),
        "diabetes": lambda: _shipped(datasets.load_diabetes(scaled=False)),
        "friedman1": lambda: _frame(*datasets.make_friedman1(4000, noise=1.0, random_state=0)),
        "friedman2": lambda: _frame(*datasets.make_friedman2(4000, noise=20.0, random_state=0)),
        "hundred_rows": lambda: _frame(*datasets.make_friedman1(100, n_features=6, noise=0.5, random_state=1)),
        "linear_wide": lambda: _frame(
            *datasets.make_regression(1000, 100, n_informative=15, noise=30, random_state=0)[:2]
        ),
        "hypersphere": lambda: _frame(*datasets.make_hastie_10_2(8000, random_state=0), "in"),
        "ten_classes": lambda: _frame(
            *datasets.make_classification(
                10000, 20, n_informative=12, n_redundant=4, n_classes=10, class_sep=1.2, random_state=0
            ),
            "k",
        ),
        "rare_class": lambda: _frame(
            *datasets.make_classification(
                12000, 15, n_informative=6, weights=[0.95], flip_y=0.01, n_clusters_per_class=3, random_state=1
            ),
            "k",
        ),
        "steps": _steps,
        "heavy_tails": _heavy_tails,
        "waves": _waves,
        "towns": _towns,
        "churn": _churn,
        "checkerboard": _checkerboard,
        "needle": _needle,
        "large": _large,
    }


def _frame(x: Any, y: Any, classes: str | None = None) -> pd.DataFrame:
    """`classes`: what the names of classes begin with; None: y are values."""
    target = y if classes is None else [f"{classes}{int(number)}" for number in y]
    return pd.DataFrame(np.asarray(x), columns=[f"x{j}" for j in range(np.shape(x)[1])]).assign(y=target)


def _shipped(bunch: Any) -> pd.DataFrame:
    return _frame(bunch.data, bunch.target, "c" if "target_names" in bunch else None)


def _steps() -> pd.DataFrame:
    """Thresholds of unevenly spread numbers, as a tree would cut them."""
    rng = np.random.default_rng(0)
    x = np.exp(1.5 * rng.normal(size=(8000, 8)))
    y = 3 * (x[:, 0] > 1) + 2 * (x[:, 1] > 2) * (x[:, 2] < 0.5) - 2 * ((x[:, 3] > 0.7) & (x[:, 3] < 1.6))
    return _frame(x, y + 4 * (x[:, 4] > 5) * (x[:, 0] < 0.3) + 0.3 * rng.normal(size=len(x)))


def _heavy_tails() -> pd.DataFrame:
    """Some values are thousands of times as large as others."""
    rng = np.random.default_rng(1)
    x = rng.standard_t(1.5, size=(6000, 10))
    y = np.sign(x[:, 0]) * np.log1p(np.abs(x[:, 0])) + 2 * np.tanh(x[:, 1]) + 0.5 * np.log1p(x[:, 2] ** 2)
    return _frame(x, y + 0.3 * rng.normal(size=len(x)))


def _waves() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    x = rng.uniform(size=(10000, 6))
    y = np.sin(12 * x[:, 0]) + np.sin(20 * x[:, 1]) * x[:, 2] + 0.5 * np.cos(9 * x[:, 3])
    return _frame(x, y + 0.2 * rng.normal(size=len(x)))


def _towns() -> pd.DataFrame:
    """Prices by town (60), kind (5), size, age and garden; one size in twenty is missing."""
    rng, rows = np.random.default_rng(3), 8000
    town, kind = rng.choice(60, rows, p=rng.dirichlet(2 * np.ones(60))), rng.integers(0, 5, rows)
    size, age, garden = np.exp(rng.normal(4, 0.5, rows)), rng.integers(0, 90, rows), rng.random(rows) < 0.4
    price = np.exp(rng.normal(0, 0.5, 60)[town] + 0.2 * kind) * size * rng.normal(1, 0.3, 5)[kind]
    y = (price + 15 * rng.normal(size=rows)) * (1 - 0.004 * age) + 20 * garden
    table = pd.DataFrame({"town": town, "kind": kind, "size": size, "age": age, "garden": garden, "y": y})
    table["size"] = table["size"].mask(rng.random(rows) < 0.05)
    return table.assign(town=[f"t{t}" for t in town], kind=[f"k{k}" for k in kind])


def _churn() -> pd.DataFrame:
    """Who leaves? Numbers and categories, and much chance."""
    rng, rows = np.random.default_rng(4), 7000
    months, fee = rng.integers(0, 72, rows), rng.uniform(18, 120, rows).round(2)
    contract, pay, net = rng.choice(3, rows, p=[0.55, 0.2, 0.25]), rng.integers(0, 4, rows), rng.integers(0, 3, rows)
    odds = -0.2 - 0.04 * months + 1.4 * (contract == 0) - (contract == 2) + 0.02 * (fee - 64)
    odds = odds + 0.7 * (net == 2) + 0.5 * (pay == 0) + (months < 6) * (fee > 80)
    names = {"contract": contract, "pay": pay, "net": net}
    table = pd.DataFrame({name: [f"{name}{number}" for number in numbers] for name, numbers in names.items()})
    leaves = rng.random(rows) < 1 / (1 + np.exp(-odds))
    return table.assign(months=months, fee=fee, total=(fee * months).round(2), y=np.where(leaves, "left", "stayed"))


def _checkerboard() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 4, size=(8000, 5))
    return _frame(x, ((np.floor(x[:, 0]) + np.floor(x[:, 1])) % 2 == 1) ^ (rng.random(len(x)) < 0.05), "k")


def _needle() -> pd.DataFrame:
    """3 of 60 columns tell."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(5000, 60))
    odds = 2 * (2 * x[:, 0] * x[:, 1] + 1.5 * np.abs(x[:, 2]) - 1.2)
    return _frame(x, rng.random(len(x)) < 1 / (1 + np.exp(-odds)), "k")


def _large() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    z = rng.normal(size=(100_000, 12))
    y = (
        z[:, 0] * z[:, 1]
        + np.sin(2 * z[:, 2])
        + z[:, 6] * (z[:, 3] > 0)
        + 0.5 * (np.exp(z[:, 7]) > 2)
        + np.abs(z[:, 4])
    )
    return _frame(np.concatenate([z[:, :6], np.exp(z[:, 6:])], axis=1), y + 0.5 * rng.normal(size=len(z)))
