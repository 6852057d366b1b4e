"""Every file under conf/ composes and trains a batch; so does every one that you add."""

from __future__ import annotations

import inspect
from pathlib import Path

import lightning as L
import numpy as np
import pytest
from omegaconf import OmegaConf

from src.config.compose import CONF, compose

FILES = sorted(path.relative_to(CONF) for path in CONF.glob("*/*.yaml"))
TINY = ["data.shape=[3,32,32]", "data.size=16", "data.batch_size=8"]  # of the generated images
THIN = [*TINY, "net.widths=[8,16,32,64]"]
NEEDS = {
    "net/cnn": ["data=digits"],
    "net/by_hand": ["data=digits"],
    "net/line_nested": ["data=line"],
    "net/line_parameters": ["data=line"],
    **{f"net/{cell}": ["data=digits", "data.shape=[8,8]"] for cell in ("rnn", "lstm", "gru", "rnn_cell")},
    "task/regression": ["data=diabetes"],
    "task/multilabel": ["data=table"],
    "loss/huber": ["data=diabetes"],
    "loss/l1": ["data=diabetes"],
    "net/inception": ["data=digits"],
    "net/resnet": ["data=digits"],
    **{f"net/resnet{layers}": ["data=stripes", *THIN] for layers in (18, 34, 50, 101, 152)},
    "net/googlenet": ["data=stripes", *TINY],
    **{f"experiment/resnet{layers}": THIN for layers in (18, 50)},
    "experiment/googlenet": TINY,
    "experiment/benchmark_mlp": ["data.size=700"],
    "experiment/benchmark_table": ["data.size=2200"],
    "experiment/benchmark_images": ["data.size=220"],
    "experiment/benchmark_resnet18": ["data.size=80", "net.widths=[8,16,32,64]"],
    "data/stripes": TINY,
    "data/own": ["data.dataset._target_=tests.test_data.disk", "+data.size=60"],
    "trainer/gpu": ["trainer.accelerator=cpu"],
    "trainer/mps": ["trainer.accelerator=cpu"],
}
# Data that are not in the repository: a fixture makes them, and is the overrides that lead there.
MADE = {
    "data/images": "pictures",
    "data/arrays": "arrays",
    "data/table": "table",
    "task/multilabel": "labels",
    **{f"data/{name}": "idx_site" for name in ("mnist", "fashion_mnist", "kmnist")},
}


@pytest.fixture
def table() -> list[str]:
    Path("t.csv").write_text("a,kind,y\n" + "".join(f"{i},{'uv'[i % 2]},{i / 4}\n" for i in range(60)))
    return ["data.path=t.csv", "data.target=y"]


@pytest.fixture
def labels() -> list[str]:
    Path("t.csv").write_text("x,a,b\n" + "".join(f"{i},{i % 2},{i // 2 % 2}\n" for i in range(60)))
    return ["data.path=t.csv", "data.target=[a,b]"]


@pytest.fixture
def arrays() -> list[str]:
    random = np.random.default_rng(0)
    np.savez("data.npz", x=random.normal(size=(60, 4)), y=random.normal(size=60))
    return ["data.path=data.npz"]


@pytest.fixture
def pictures(photos: Path) -> list[str]:
    return [f"data.path={photos}", "data.num_workers=0"]


@pytest.mark.parametrize("file", FILES, ids=str)
def test_it_trains_a_batch(train, file, request):
    group, choice = file.parent.name, file.stem
    needs = NEEDS.get(f"{group}/{choice}", [] if group in ("data", "experiment") else ["data=wine"])
    made = request.getfixturevalue(MADE[f"{group}/{choice}"]) if f"{group}/{choice}" in MADE else []
    limits = [
        "trainer.max_epochs=1",
        *(f"trainer.limit_{split}_batches=1" for split in ("train", "val", "test")),
    ]
    results = train(f"{group}={choice}", *needs, *made, *limits)
    assert results["status"] == "finished"
    assert Path(results["run"], "checkpoints", "best.ckpt").exists()


@pytest.mark.quick
def test_the_trainers_have_all_usual_arguments():
    keys = set(compose().trainer)
    parameters = set(inspect.signature(L.Trainer).parameters)
    # Kindling gives the first two itself; the others belong to Lightning's paid services.
    assert parameters - keys <= {"callbacks", "default_root_dir", "enable_autolog_hparams", "model_registry"}
    assert keys - parameters == {"_target_"}


def test_the_trainers_differ_in_the_accelerator_only():
    trainers = {name: compose(f"trainer={name}").trainer for name in ("auto", "cpu", "gpu", "mps")}
    for name, trainer in trainers.items():
        assert trainer.accelerator == name
        assert OmegaConf.merge(trainer, {"accelerator": "auto"}) == trainers["auto"]
