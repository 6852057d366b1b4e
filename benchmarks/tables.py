"""data=table with net=tabular against scikit-learn's nets and boosted trees, and against net=mlp: one table of scores.

    python -m benchmarks.tables                           # all twenty: about half an hour on two cores
    python -m benchmarks.tables --only steps churn

All have their defaults, and the same rows to learn from and to be scored on; small tables are split more often.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import torch
from pandas.api.types import is_numeric_dtype
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.sources import tables
from src.console.screen import progress
from src.learning.calibration import calibration_error
from src.train import train

SHARES = [0.7, 0.15, 0.15]
SPLITS = {2000: 5, 20_000: 2}  # of tables up to so many rows; of larger ones one
CLOSE = 0.005
MLP = ("net=mlp", "data.batch_size=32")  # what tables were learnt with before there was net=tabular
Scores = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(tables()), default=list(tables()), metavar="TABLE")
    chosen = parser.parse_args().only
    print(
        "| table | scikit-learn's MLP | boosted trees | `net=mlp` | **`net=tabular`** | seconds | calibration error |"
    )
    print("|---|---|---|---|---|---|---|")
    good = 0
    with progress("tables", total=len(chosen)) as done:
        for count, name in enumerate(chosen, start=1):
            scores = measured(tables()[name]())
            best = {kind: max(scores[rival][kind] for rival in ("skmlp", "trees")) for kind in kinds(scores["trees"])}
            good += all(scores["tabular"][kind] >= value - CLOSE for kind, value in best.items())
            print(f"| `{name}` {line(scores)}", flush=True)
            done(count)
    print(f"\nAt least the better one of scikit-learn's minus {CLOSE}, in all scores: {good} of {len(chosen)} tables.")


def measured(table: pd.DataFrame) -> dict[str, Scores]:
    """Scores and seconds of each method, the mean over the splits."""
    by_method: dict[str, list[Scores]] = {}
    for seed in range(next((count for rows, count in SPLITS.items() if len(table) <= rows), 1)):
        split = np.random.default_rng(seed).permutation(np.repeat(["train", "val", "test"], _sizes(len(table))))
        for name, method in METHODS.items():
            by_method.setdefault(name, []).append(method(table, split, seed))
    return {name: {key: fmean(run[key] for run in runs) for key in runs[0]} for name, runs in by_method.items()}


def _sizes(rows: int) -> list[int]:
    train_size, val_size = (round(share * rows) for share in SHARES[:2])
    return [train_size, val_size, rows - train_size - val_size]


def scored(truth: pd.Series, predictions: np.ndarray, classes: list[str] | None) -> Scores:
    """R2 of values (N,), accuracy and AUROC of probabilities (N, C)."""
    if classes is None:
        return {"r2": float(r2_score(truth, predictions))}
    numbers = np.array([classes.index(name) for name in truth])
    judged = predictions[:, 1] if len(classes) == 2 else predictions
    area = roc_auc_score(numbers, judged, multi_class="ovr", labels=range(len(classes)))
    return {"accuracy": float(accuracy_score(numbers, predictions.argmax(axis=1))), "auroc": float(area)}


def kinds(scores: Scores) -> list[str]:
    return [name for name in ("r2", "accuracy", "auroc") if name in scores]


def line(scores: dict[str, Scores]) -> str:
    """A row of the table, behind its name."""
    shown = [" / ".join(f"{scores[name][kind]:.3f}" for kind in kinds(scores[name])) for name in METHODS]
    seconds = " to ".join(f"{scores[name]['seconds']:.1f}" for name in ("mlp", "tabular"))
    ours = scores["tabular"]
    errors = f"{ours['before']:.3f} to {ours['after']:.3f}" if "before" in ours else ""
    return f"| {' | '.join(shown[:3])} | **{shown[3]}** | {seconds} | {errors} |"


# --- the methods: table, split of each row, seed -> scores and seconds ----------------------------------------------


def kindling(*overrides: str) -> Callable[[pd.DataFrame, np.ndarray, int], Scores]:
    def method(table: pd.DataFrame, split: np.ndarray, seed: int) -> Scores:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            path = Path(folder) / "table.csv"
            table.assign(split=split).to_csv(path, index=False)
            given = ["data=table", f"data.path={path}", "data.target=y", "data.split_column=split", f"seed={seed}"]
            given += ["data.missing=impute", "trainer=cpu", f"hydra.run.dir={folder}/run", *overrides]
            run = train(*given)
            module, data = run.load(), run.data(run.config())
            x, y = data.examples("test", len(table))
            with torch.no_grad():
                predictions = module(x)
                classes = module.data.classes
                scores = scored(table["y"][split == "test"], predictions.numpy().squeeze(), classes)
                scores["seconds"] = run.results["seconds"]
                if classes is not None:
                    scores["after"] = calibration_error(predictions, module.task.truth(y))
                    module.task.temperature.fill_(1)
                    scores["before"] = calibration_error(module(x), module.task.truth(y))
        return scores

    return method


def trees(table: pd.DataFrame, split: np.ndarray, seed: int) -> Scores:
    features = table.drop(columns="y")
    texts = [name for name in features if not is_numeric_dtype(features[name])]
    kind = HistGradientBoostingRegressor if is_numeric_dtype(table["y"]) else HistGradientBoostingClassifier
    return _fitted(kind(random_state=seed), features.astype(dict.fromkeys(texts, "category")), table["y"], split)


def sklearn_mlp(table: pd.DataFrame, split: np.ndarray, seed: int) -> Scores:
    features = pd.get_dummies(table.drop(columns="y")).astype(float)
    features = features.fillna(features[split == "train"].mean())
    if is_numeric_dtype(table["y"]):
        net: Any = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    else:
        net = MLPClassifier(random_state=seed)
    return _fitted(make_pipeline(StandardScaler(), net), features, table["y"], split)


def _fitted(model: Any, features: pd.DataFrame, y: pd.Series, split: np.ndarray) -> Scores:
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the default number of iterations is not always enough
        model.fit(features[split == "train"], y[split == "train"])
    seconds = time.perf_counter() - began
    rows, classes = features[split == "test"], None if is_numeric_dtype(y) else list(model.classes_)
    predictions = model.predict(rows) if classes is None else model.predict_proba(rows)
    return scored(y[split == "test"], predictions, classes) | {"seconds": seconds}


METHODS = {"skmlp": sklearn_mlp, "trees": trees, "mlp": kindling(*MLP), "tabular": kindling("net=tabular")}

if __name__ == "__main__":
    main()
