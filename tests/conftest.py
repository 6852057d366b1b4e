"""How the tests run Kindling: in this process, since importing torch takes longer than most of them."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tiny nets lose by a second thread
PROJECT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="run slow tests too, and let no test be skipped")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--no-skips"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: --no-skips runs it"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With -n 2 each process has half of the files, not every second test: what `finished` gives is trained once."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.skipped and item.config.getoption("--no-skips"):
        report.outcome, report.longrepr = "failed", f"skipped, under --no-skips: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test has a folder of its own, in which outputs/ comes to be; modules in temporary folders end with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # a command sets it, and later tests are without it
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(f"{tmp_path.parent}{os.sep}"):
            del sys.modules[name]


@pytest.fixture
def real_pictures() -> None:
    """For tests of pictures: those of a run are drawn."""


@pytest.fixture
def blank_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all other tests they are of one point: to lay them out and paint them takes half the time of a tiny run."""
    from src.plots.picture import save

    def blank(figure: Any, path: Any, *_: Any, **__: Any) -> None:
        from PIL import Image

        Image.new("1", (1, 1)).save(path, "png")

    if "real_pictures" not in request.fixturenames:
        monkeypatch.setattr(save, "__code__", blank.__code__)  # wherever it was imported


@pytest.fixture(autouse=True, scope="session")
def yaml_is_parsed_once() -> Iterator[None]:
    """The text of a config file, in all runs of these tests: each run would parse some 40."""
    import yaml

    parse, parsed = yaml.load, dict[str, Any]()

    def load(stream: Any, Loader: Any) -> Any:
        if Loader.__name__ != "OmegaConfLoader" or not hasattr(stream, "read"):
            return parse(stream, Loader)
        text = stream.read()
        if text not in parsed:
            stream.seek(0)  # an error is to name the file
            parsed[text] = parse(stream, Loader)
        return parsed[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "load", load)
        yield


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, blank_pictures: None) -> Callable[..., int]:
    """`call("train", "seed=1")` is `python -m src.train seed=1` in this process; returns the exit code."""
    import importlib

    from src.config import compose as config

    def call(command: str, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", [f"src/{command}.py", *arguments])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # what is started after an earlier call is without it
        config.new_folder.cache_clear()
        try:
            importlib.import_module(f"src.{command}").main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


@pytest.fixture
def train(call: Callable[..., int]) -> Callable[..., dict[str, Any]]:
    """`train("data=wine")` trains and returns results.json, and `run`, the path of the folder."""

    def train(*overrides: str) -> dict[str, Any]:
        before = set(Path("outputs").glob("*"))
        assert call("train", *overrides) == 0
        named = [Path("outputs") / o.removeprefix("name=") for o in overrides if o.startswith("name=")]
        [run] = named or set(Path("outputs").glob("*")) - before
        return json.loads((run / "results.json").read_text()) | {"run": run}

    return train


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finished_runs")


@pytest.fixture
def finished(train: Callable[..., dict[str, Any]], finished_runs: Path) -> Callable[..., dict[str, Any]]:
    """`finished("data=wine", "name=w")` is `train(...)`, but a copy of the run where a test before has trained it.

    For tests of what becomes of a finished run. Files that it reads must be the same whenever its overrides are.
    """

    def finished(*overrides: str) -> dict[str, Any]:
        run = Path("outputs") / next(o for o in overrides if o.startswith("name=")).removeprefix("name=")
        kept = finished_runs / hashlib.sha256("\n".join(overrides).encode()).hexdigest()
        if not kept.exists():
            train(*overrides)
            shutil.copytree(run, kept / "run")
            (kept / "cwd").write_text(str(Path.cwd()))
        else:
            shutil.copytree(kept / "run", run)
            hydra = run / ".hydra" / "hydra.yaml"  # where relative paths begin
            hydra.write_text(hydra.read_text().replace((kept / "cwd").read_text(), str(Path.cwd())))
        return json.loads((run / "results.json").read_text()) | {"run": run}

    return finished


@contextmanager
def served(handler: Callable[..., SimpleHTTPRequestHandler] | type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Inside it a server on this machine answers by `handler`, at this address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(folder: Path) -> Iterator[str]:
    """The address of a server on this machine that serves the test's folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with served(functools.partial(Quiet, directory=str(folder))) as address:
        yield address


@pytest.fixture
def idx_site(site: str, folder: Path) -> list[str]:
    """The overrides of data=mnist and its like for 40 generated images to train and 20 to test, on that server."""
    import numpy as np

    from tests.idx_files import write_idx

    random = np.random.default_rng(0)
    for split, size in {"train": 40, "t10k": 20}.items():
        images = random.integers(0, 256, (size, 28, 28), dtype="uint8")
        write_idx(folder / f"{split}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{split}-labels-idx1-ubyte.gz", np.arange(size, dtype="uint8") % 10)
    return [f"data.url={site}", "data.md5=null", "data.cache=cache"]


@pytest.fixture
def photos(folder: Path) -> Path:
    """Ten red pictures in photos/cat and ten blue ones in photos/dog."""
    from PIL import Image

    for name, colour in {"cat": (220, 30, 30), "dog": (30, 30, 220)}.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (40 + number, 30), colour).save(folder / "photos" / name / f"{number}.jpg")
    return folder / "photos"


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`python("src.train", "--help")` is `python -m src.train --help` in a process of its own."""

    def python(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            env={**os.environ, "PYTHONPATH": str(PROJECT), **env},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return python


@pytest.fixture
def forked(call: Callable[..., int], folder: Path) -> Callable[..., int]:
    """`forked("train", "seed=1")` starts `python -m src.train seed=1` in a process of its own; returns its number.

    It begins at once, as a copy of this process, which has imported torch. What it says is in said.txt. `before()` is
    called in it first.
    """

    def child(before: Callable[[], object], command: str, *arguments: str) -> int:
        said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(said, stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = 70
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup
        try:
            before()
            code = call(command, *arguments)
        finally:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                with suppress(OSError):
                    stream.flush()
            os._exit(code)
        return code

    def forked(command: str, *arguments: str, before: Callable[[], object] = lambda: None) -> int:
        return os.fork() or child(before, command, *arguments)

    return forked


def killed_often(
    start: Callable[[], int],
    done: Callable[[], dict[str, int]],
    kills: int,
    waits: Callable[[int], bool],
    seconds: Callable[[], float],
) -> None:
    """Kill a sweep, which `start` starts or goes on with, so often, then let it end: no job that is done runs again.

    Args:
        start: returns the number of its process.
        done: when each job that is done was written.
        waits: whether a kill, by its number, waits for one more job to be done; else it comes while the sweep starts.
        seconds: from there to the kill.
    """
    written: dict[str, int] = {}
    for kill in range(kills):
        process, ended = start(), 0
        while waits(kill) and done() == written and not ended:
            ended, _ = os.waitpid(process, os.WNOHANG)
            time.sleep(0.005)
        if not ended:
            time.sleep(seconds())
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
        now = done()
        assert written.items() <= now.items()
        written = now
    assert written
    _, status = os.waitpid(start(), 0)
    assert os.waitstatus_to_exitcode(status) == 0, Path("said.txt").read_text()
    assert written.items() <= done().items()


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders of the runs that have come to a Trainer."""
    from src.training import Training

    folders: list[str] = []
    build = Training.trainer

    def trainer(self: Training) -> Any:
        folders.append(self.run.folder.name)
        return build(self)

    monkeypatch.setattr(Training, "trainer", trainer)
    return folders
