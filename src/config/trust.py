"""What a run folder or a checkpoint may name: default deny.

A `_target_` is the name of something to call, so whoever writes a run's config, or the hyperparameters in a checkpoint,
chooses what runs when it is opened. The command line of src.train is its owner's and free; of all else this holds:

- Only what `PLACES` lists is built. It says for each place, such as `net`, what may stand there: a class (by its base)
  or one object, and the packages where that is defined. Specs inside a spec stand in the same place, or are layers.
- A name that begins elsewhere is refused before anything is imported, since an import runs code.
- What it leads to is judged by what it is, its own `__module__` and bases, and not by the text: such names as
  `src.nets.cnn.torch.hub.load`, or any with a leading underscore, lead nowhere.
- `src` and `examples` are the folders of this project, not others of that name in the current folder or in outputs/.
- Texts ask for nothing but `${key}`, `${project:...}` and `${run_folder:...}`, and that in a run's config only:
  `${oc.env:...}` would read a secret, `${oc.create:...}` make a spec where none was seen.
- Packages in `trusted` of conf/train.yaml, which never comes from a run folder, may be named everywhere.

`trust=true` (from Python `trust=True`) lifts all of it. `locate` in src/config/build.py is the one door: all that is
built from a name goes through it. Checkpoints are read without running pickles: see src/files/checkpoints.py.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from src.config.compose import CONF, PROJECT
from src.console.messages import UserError

LAYERS = ("torch.nn.Module", "torch.nn src.nets src.by_hand examples")
COUNTS = "classification regression segmentation clustering nominal retrieval aggregation wrappers"
# Place -> what may stand there: a base or the object itself ("": any function or class), and where it is defined.
PLACES = {
    "net": [LAYERS],
    "loss": [LAYERS],
    "task": [("torch.nn.Module", "src.tasks examples"), ("src.tasks.auto", "src.tasks")],
    "optimizer": [("torch.optim.Optimizer", "torch.optim src.by_hand examples")],
    "scheduler": [("torch.optim.lr_scheduler.LRScheduler", "torch.optim.lr_scheduler")],
    # Those of pictures, sounds and texts are left out: some of them fetch a net by its name, with the code in it.
    "metrics": [("torchmetrics.Metric", " ".join(f"torchmetrics.{room}" for room in COUNTS.split()) + " examples")],
    "module": [("lightning.LightningModule", "src.module examples")],
    "callbacks": [("lightning.Callback", "src.callbacks src.plots examples")],
    "data": [
        ("src.datamodule.DataModule", "src.datamodule"),
        ("torch.utils.data.Dataset", "src.datasets"),  # or a function that returns one
        ("src.datasets.contract.Reader", "src.datasets"),
        ("", "examples"),
    ],
    "trainer": [
        ("lightning.Trainer", "lightning"),
        ("src.files.checkpoints.AtomicCheckpointIO", "src.files.checkpoints"),
        *((f"lightning.pytorch.plugins.{name}", "lightning") for name in ("CheckpointIO", "LayerSync")),
        *((f"lightning.fabric.plugins.{name}", "lightning") for name in ("ClusterEnvironment", "Precision")),
        ("lightning.pytorch.strategies.Strategy", "lightning"),
        ("lightning.pytorch.profilers.Profiler", "lightning"),
        ("lightning.pytorch.loggers.Logger", "lightning"),
        ("lightning.Callback", "lightning"),
    ],
}
NAMED = ("torch.nn", "torch.optim", "torchmetrics", "lightning", "src", "examples")  # what is imported for a name
HOMES = ("src", "examples")  # that are folders of this project
REMEDY = "If it is your own, or you trust its author: trust=true (from Python trust=True)"
RESOLVED = re.compile(r"\$\{(?:(?:project|run_folder):)?[^${}:]*\}")
_is_trusted: ContextVar[bool] = ContextVar("is_trusted", default=False)


@contextmanager
def trusted(is_so: bool = True) -> Iterator[None]:
    """Inside it names and texts are the user's own, or of someone whom they trust; with False they are not."""
    before = _is_trusted.set(is_so)
    try:
        yield
    finally:
        _is_trusted.reset(before)


def is_trusted() -> bool:
    """Whether anything may be built."""
    return _is_trusted.get()


def check_name(path: str, target: str) -> None:
    """Before it is imported: raise UserError if `target`, at the key `path`, is of a package that may not be named."""
    if is_trusted():
        return
    parts = target.split(".")
    is_plain = all(part.isidentifier() and not part.startswith("_") for part in parts)
    known = any(_within(target, (name,)) and (name not in HOMES or _is_projects(name)) for name in NAMED)
    if not (is_plain and (known or _within(target, own_packages()))):
        raise _refusal(path, target)


def check_object(path: str, target: str, found: Any) -> None:
    """After it was imported: raise UserError if `found`, to which `target` leads, may not stand at the key `path`."""
    if is_trusted():
        return
    first, *others = target.split(".")
    walked = functools.reduce(lambda part, name: getattr(part, name, None), others, sys.modules.get(first))
    if walked is not found:  # two things of one name: Hydra would build the other
        raise _refusal(path, target)
    is_own = _is_callable(found) and _within(found.__module__, own_packages())
    if not is_own and not any(_suits(found, *rule) for rule in _rules(path)):
        raise _refusal(path, target)


def check_texts(path: str, spec: Any, resolved: bool) -> None:
    """Raise UserError if a text in `spec` asks for more than another key.

    Args:
        resolved: nothing is left to look up in it, so that it may ask for nothing.
    """
    for key, text in () if is_trusted() else texts_in(path, spec):
        left, count = (text, 0) if resolved else RESOLVED.subn("x", text)
        while count:  # from the inside out
            left, count = RESOLVED.subn("x", left)
        if "${" in left:
            raise UserError(
                f"{key}={text}: what a run folder or checkpoint asks for is not looked up, but for its own keys.\n"
                f"{REMEDY}."
            )


def texts_in(path: str, node: Any) -> Iterator[tuple[str, str]]:
    """Every text in dicts and lists, with its key."""
    if isinstance(node, str):
        yield path, node
    items: Any = node.items() if isinstance(node, Mapping) else ()
    items = enumerate(node) if isinstance(node, (list, tuple, set)) else items
    for key, value in items:
        yield from texts_in(f"{path}.{key}" if path else str(key), value)


def own_packages() -> tuple[str, ...]:
    """`trusted` in conf/train.yaml."""
    file = CONF / "train.yaml"
    return _own_packages(file, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)  # every job of a sweep asks
def _own_packages(file: Path, changed: int) -> tuple[str, ...]:
    names = OmegaConf.select(OmegaConf.load(file), "trusted", default=[])
    if not OmegaConf.is_list(names):
        raise UserError(f"trusted={names} in {file}: a list of packages is needed, such as [my_data].")
    return tuple(map(str, names))


def _rules(path: str) -> list[tuple[str, str]]:
    """What may stand at a key: that of its place; inside of a spec layers too."""
    place, *inner = path.split(".")
    while place in ("module", "data") and inner and inner[0] in PLACES:  # those hold the specs of others
        place, *inner = inner
    return [*PLACES.get(place, ()), *([LAYERS] if inner and place in PLACES else ())]


def _suits(found: Any, base: str, packages: str) -> bool:
    if not (_is_callable(found) and _within(found.__module__, tuple(packages.split()))):
        return False
    if not base:
        return True
    module, _, name = base.rpartition(".")
    wanted = getattr(import_module(module), name)
    if base == "torch.utils.data.Dataset" and inspect.isfunction(found):
        found = get_type_hints(found).get("return")
    return found is wanted or (inspect.isclass(found) and inspect.isclass(wanted) and issubclass(found, wanted))


def _is_callable(found: Any) -> bool:
    """A class, or a function that is no method."""
    return inspect.isclass(found) or (inspect.isfunction(found) and "." not in found.__qualname__)


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def _is_projects(package: str) -> bool:
    spec = find_spec(package)  # imports nothing: it has no parent
    return spec is not None and Path(spec.origin or "").resolve() == PROJECT / package / "__init__.py"


def _refusal(path: str, target: str) -> UserError:
    from importlib.metadata import packages_distributions  # dear, and seldom asked

    package = target.partition(".")[0]
    is_others = package in sys.stdlib_module_names or package in packages_distributions() or package in HOMES
    once = "" if is_others else f", or once in conf/train.yaml trusted: [{package}]"
    return UserError(
        f"{path}._target_={target}: a run folder or checkpoint names it, and it could run any code: it is not of this "
        f"project, torch, torchmetrics or Lightning, or not what this place takes.\n{REMEDY}{once}."
    )
