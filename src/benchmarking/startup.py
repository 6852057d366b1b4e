"""What comes before the first step, by part, each in a process of its own; and how much memory it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from src.config.compose import PROJECT

TIMES = 3  # each is started so often, in turns
IMPORTS = {"python": "pass", "torch": "import torch", "libraries": "import torch, lightning"}


class FirstStep(Callback):
    """Notes when the first step begins, and the peak of memory in the first epoch; then ends the process."""

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.began = time.time()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        said = {"began": self.began, "memory": peak_memory()}
        (Path(trainer.default_root_dir) / "first_step.json").write_text(json.dumps(said))
        os._exit(0)


def startup(overrides: Sequence[str], done: Callable[[], None]) -> dict[str, float]:
    """`start/`: seconds of Python, importing torch, then lightning, and the rest up to src.train's first step.

    `ratio/start`: all of it to `import torch, lightning` alone. `memory/kindling`: MB, up to the end of an epoch.
    """
    seconds: dict[str, list[float]] = {name: [] for name in (*IMPORTS, "train")}
    memory = []
    for _ in range(TIMES):
        for name, code in IMPORTS.items():
            began = time.time()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds[name].append(time.time() - began)
            done()
        began = time.time()
        said = _first_step(overrides)
        seconds["train"].append(said["began"] - began)
        memory.append(said["memory"])
        done()
    python, torch, libraries, train = (median(times) for times in seconds.values())
    return {
        "start/python": python,
        "start/torch": torch - python,
        "start/lightning": libraries - torch,
        "start/kindling": train - libraries,
        "start/all": train,
        "ratio/start": median(t / i for t, i in zip(seconds["train"], seconds["libraries"], strict=True)),
        "memory/kindling": median(memory),
    }


def _first_step(overrides: Sequence[str]) -> dict[str, Any]:
    with TemporaryDirectory(prefix="benchmark_") as folder:
        noting = f"+callbacks.first_step._target_={__name__}.{FirstStep.__name__}"
        command = [sys.executable, "-m", "src.train", *overrides, noting, f"hydra.run.dir='{folder}/run'"]
        path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
        assert done.returncode == 0, done.stderr
        return json.loads((Path(folder) / "run" / "first_step.json").read_text())


def peak_memory() -> float:
    """MB that this process has had at most."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says on Linux may be that of the process which has started this one
        return next(int(line.split()[1]) / 1e3 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
