"""The signature of an exported net: what it reads and answers, for programs without this project."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from lightning import LightningModule

    from src.datasets.description import DataDescription

KEY = "kindling"  # of ONNX's metadata


def signature(module: LightningModule, data: DataDescription, reader: Any, dtype: torch.dtype) -> str:
    """JSON: `x`, `predictions`, and what the `reader` of the data says of how x is made, such as a table's columns.

    x: shape of an example (null for a size that varies), dtype, and mean and std, by which the net itself standardizes.
    predictions: the task, the target, and the names of an example's predictions in order: classes, whose probabilities
    they are, or targets.

    Args:
        dtype: of x.
    """
    from src.datasets.contract import Signs

    task, scale = getattr(module, "task", None), getattr(module, "input_scale", None)
    reads: dict[str, Any] = {"shape": list(data.input_shape), "dtype": str(dtype).removeprefix("torch.")}
    if scale is not None and not data.indices:
        reads |= {"mean": scale.mean.tolist(), "std": scale.std.tolist()}
    answers = {"task": task and task.summary()[0], "target": data.target, "names": data.classes or data.targets}
    made = reader.signature() if isinstance(reader, Signs) else {}
    return json.dumps({"x": reads, "predictions": answers, **made}, ensure_ascii=False, indent=1)
