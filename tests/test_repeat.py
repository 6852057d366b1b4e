"""A run knows what it was made with, and one command repeats it from its folder, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from src.callbacks.history import History
from src.files import origin
from src.files.origin import made_with, uncommitted
from src.reports.records import read_record
from src.train import train as train_from_python

BARE = ("callbacks.learning_curve=null", "callbacks.confusion=null", "callbacks.mistakes=null")
TINY = ("data=wine", "net.hidden=[8]", "trainer.max_epochs=2", *BARE, "name=a")
DROPOUT = ("data=digits", "net.hidden=[16]", "net.dropout=0.3", "optimizer.lr=0.01", "seed=3", "trainer.max_epochs=2")
TABLE = ("data=table", "data.path=t.csv", "data.target=y", "net.hidden=[4]", "trainer.max_epochs=2", "name=a")
RUN, AGAIN = Path("outputs/a"), Path("outputs/a_repeated")
TOUCH = {"_target_": "torch.utils.collect_env.run", "command": "touch pwned"}


def results_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text())


def checkpoint_of(run: Path, name: str = "best") -> dict[str, Any]:
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


def table(change: float = 0.0) -> None:
    rows = [(i * 37 % 50, i * 11 % 20) for i in range(60)]
    Path("t.csv").write_text(
        "a,b,y\n" + "".join(f"{a},{b},{a - 2 * b + change * (i == 7)}.5\n" for i, (a, b) in enumerate(rows))
    )


@pytest.mark.quick
def test_it_is_repeated_bit_for_bit(finished, call, capsys):
    before = finished(*DROPOUT, *BARE, "name=a")
    capsys.readouterr()
    assert call("repeat", "outputs/a") == 0
    out = capsys.readouterr().out
    assert "outputs/a_repeated  the same as outputs/a, bit for bit" in out
    assert f"test/accuracy {before['test/accuracy']:.4f} as before" in " ".join(out.split())
    weights, again = checkpoint_of(RUN)["state_dict"], checkpoint_of(AGAIN)["state_dict"]
    assert weights.keys() == again.keys()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert results_of(AGAIN)["command"] == "python -m src.repeat outputs/a"
    assert not (set(Path("outputs").iterdir()) - {RUN, AGAIN})
    assert call("evaluate", "outputs/a_repeated", "--resamples", "0") == 0


def test_it_is_repeated_from_another_folder_and_into_one(call, train, monkeypatch, capsys):
    table()
    train(*TABLE)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert call("repeat", "../outputs/a", "-o", "deep er/a=b") == 0
    assert "bit for bit" in capsys.readouterr().out
    assert results_of(Path("deep er/a=b"))["command"] == "python -m src.repeat ../outputs/a -o 'deep er/a=b'"
    choices = [read_record(folder).settings["data"] for folder in (Path("../outputs/a"), Path("deep er/a=b"))]
    assert choices == ["table", "table"]


def test_the_weights_that_it_began_with_are_found_from_another_folder(call, finished, monkeypatch, capsys):
    finished(*TINY)
    torch.save({k.removeprefix("net."): w for k, w in checkpoint_of(RUN)["state_dict"].items() if "net." in k}, "w.pt")
    assert call("train", *TINY[:-1], "weights=w.pt", "name=b") == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert call("repeat", "../outputs/b") == 0
    assert "bit for bit" in capsys.readouterr().out


def test_changed_data_are_the_reason(call, train, capsys):
    table()
    train(*TABLE)
    table(change=1000)
    capsys.readouterr()
    assert call("repeat", "outputs/a") == 1
    said = capsys.readouterr()
    assert "Error: outputs/a_repeated is another run: " in said.err
    assert "The likely reason: other data: they have changed since." in said.err
    assert "   it was " in said.out
    assert "Traceback" not in said.err
    assert len(said.err.split("Error: ")[1].strip().splitlines()) == 2


def test_other_code_is_said_before_and_after(finished, call, capsys):
    results = finished(*TINY)
    del results["run"]
    results["versions"] |= {"torch": "1.0"}
    results["git"] |= {"commit": "0123456789abcdef"}
    (RUN / "results.json").write_text(json.dumps(results))
    capsys.readouterr()
    assert call("repeat", "outputs/a") == 0
    said = capsys.readouterr().err
    assert "outputs/a was made with other code, and may come out otherwise: " in said
    assert "(it was 1.0)" in said
    assert "(it was 0123456789ab)" in said
    (RUN / "results.json").write_text(json.dumps(results | {"test/accuracy": 0.5}))
    shutil.rmtree(AGAIN)
    assert call("repeat", "outputs/a") == 1
    said = capsys.readouterr().err
    assert "another run: test/accuracy is" in said
    assert "(it was 1.0)" in said.splitlines()[-1]


def test_one_bit_of_a_weight_is_a_difference(finished, call, capsys, monkeypatch):
    finished(*TINY, "calibrate=false")  # which would save, and flip, twice
    from src.files import checkpoints

    saved = checkpoints.torch.save

    def flips(checkpoint: dict[str, Any], file: Any) -> None:
        weight = checkpoint["state_dict"]["net.1.weight"].clone()
        weight.view(torch.int32)[0, 0] ^= 1
        saved({**checkpoint, "state_dict": {**checkpoint["state_dict"], "net.1.weight": weight}}, file)

    assert "net.1.weight" in checkpoint_of(RUN)["state_dict"]
    monkeypatch.setattr("src.files.checkpoints.torch.save", flips)
    assert call("repeat", "outputs/a") == 1
    said = capsys.readouterr().err
    assert "is another run: net.1.weight in best.ckpt differs" in said
    assert "The likely reason: another processor" in said


def fails_after_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training stops with an error in its second epoch."""
    writes = History.on_train_epoch_end

    def fails(self: History, trainer: Any, module: Any) -> None:
        writes(self, trainer, module)
        assert trainer.current_epoch < 1

    monkeypatch.setattr(History, "on_train_epoch_end", fails)


def test_what_was_interrupted_goes_on(finished, call, capsys, monkeypatch):
    finished(*DROPOUT, *BARE, "callbacks.last.every_seconds=0", "name=a")
    with monkeypatch.context() as patch:
        fails_after_one(patch)
        assert call("repeat", "outputs/a") == 1
    assert (AGAIN / "checkpoints" / "last.ckpt").exists()
    assert call("repeat", "outputs/a") == 0
    assert "bit for bit" in capsys.readouterr().out
    assert call("repeat", "outputs/a") == 1
    assert "outputs/a_repeated is finished already. Remove it, or choose another folder: -o." in capsys.readouterr().err


def test_stopped_it_says_how_to_go_on(finished, forked, monkeypatch):
    finished(*TINY)
    monkeypatch.setattr(History, "on_train_epoch_end", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    _, status = os.waitpid(forked("repeat", "outputs/a", "-o", "outputs/b"), 0)  # where it ends, signals are ignored
    assert os.waitstatus_to_exitcode(status) == 143
    assert "Stopped. To go on: python -m src.repeat outputs/a -o outputs/b\n" in Path("said.txt").read_text()
    assert {path.name for path in Path("outputs").iterdir()} == {"a", "b"}


REFUSED = {
    "no folder": (["outputs/none"], "outputs/none is not the folder of a run, it does not exist."),
    "no run": (["."], "is not the folder of a run"),
    "a key": (["outputs/a", "seed=1"], "seed=1: a run is repeated as it was."),
    "a word for trust": (["outputs/a", "trust=maybe"], "trust=maybe: true or false is needed."),
    "into other files": (["outputs/a", "-o", "thesis"], "thesis holds other files, and no run."),
    "into itself": (["outputs/a", "-o", "outputs/a"], "outputs/a is finished already."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_repeated_is_refused(finished, call, capsys, case):
    finished(*TINY)
    Path("thesis").mkdir()
    Path("thesis/chapter").write_text("two years of work")
    arguments, says = REFUSED[case]
    assert call("repeat", *arguments) == 1
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert {path.name for path in Path("outputs").iterdir()} == {"a"}
    assert [path.name for path in Path("thesis").iterdir()] == ["chapter"]


@pytest.mark.parametrize(("results", "says"), {"{}": "is not finished", '{"error": "lr"}': "failed: lr"}.items())
def test_an_unfinished_run_is_refused(finished, call, capsys, results, says):
    finished(*TINY)
    (RUN / "results.json").write_text(results)
    assert call("repeat", "outputs/a") == 1
    assert f"Error: outputs/a {says}" in capsys.readouterr().err
    assert not AGAIN.exists()


PLACES = {
    "a callback": ("callbacks.mine", TOUCH),
    "a function as a callback": ("callbacks.mine", {"_target_": "src.files.atomic.write_text", "path": "pwned"}),
    "a callback of Lightning's, which may write anywhere": (
        "callbacks.mine",
        {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "dirpath": "pwned"},
    ),
    "in a callback": ("callbacks.best.monitor", TOUCH),
    "an optimizer": ("optimizer._target_", "torch.utils.collect_env.run"),
    "in a net": ("net.dropout", TOUCH),
    "data": ("data.dataset", TOUCH),
    "a plugin": ("trainer.plugins", [TOUCH]),
    "a secret": ("seed", "${oc.env:SECRET}"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_strangers_folder_runs_nothing(finished, call, capsys, monkeypatch, case):
    finished(*TINY)
    monkeypatch.setenv("SECRET", "swordfish")
    key, value = PLACES[case]
    file = RUN / ".hydra" / "config.yaml"
    cfg = OmegaConf.load(file)
    OmegaConf.update(cfg, key, value, merge=False, force_add=True)
    file.write_text(OmegaConf.to_yaml(cfg))
    assert call("repeat", "outputs/a") == 1
    said = capsys.readouterr().err
    assert key in said
    assert "trust=true" in said or said.endswith(" is needed.\n")
    assert "swordfish" not in said
    assert "Traceback" not in said
    assert not Path("pwned").exists()
    assert not AGAIN.exists()


def test_whom_to_trust_is_not_a_folders_to_say(finished, call, capsys):
    finished(*TINY)
    file = RUN / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("trusted: []", "trusted: [os]"))
    assert call("repeat", "outputs/a") == 0
    assert "trusted: []" in (AGAIN / ".hydra" / "config.yaml").read_text()


def test_with_trust_ones_own_data_are_repeated(train, call, capsys, monkeypatch):
    Path("my_points.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n\n\ndef points(size):\n"
        "    x = torch.linspace(-1, 1, size).unsqueeze(1)\n    return TensorDataset(x, 2 * x)\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    own = ("data=own", "data.dataset._target_=my_points.points", "+data.size=60")
    train(*own, "net.hidden=[4]", "trainer.max_epochs=1", "name=a")
    assert call("repeat", "outputs/a") == 1
    assert "trust=true" in capsys.readouterr().err
    assert call("repeat", "outputs/a", "trust=true") == 0


# --- what a run was made with --------------------------------------------------------------------------------------


@pytest.mark.quick
def test_results_and_checkpoints_say_what_they_were_made_with(train):
    results = train(*TINY[:3], "name=a")
    typed = "python -m src.train data=wine 'net.hidden=[8]' trainer.max_epochs=2 name=a"
    facts = {"command", "seed", "git", "versions", "uncommitted", "fingerprint"}
    for name in ("best", "last"):
        assert checkpoint_of(RUN, name)["made_with"] == {fact: results[fact] for fact in facts}
        assert results["fingerprint"] == checkpoint_of(RUN, name)["DataModule"]["description"]["fingerprint"]
    assert (results["command"], results["seed"]) == (typed, 0)


def test_a_run_from_python_says_the_command_that_does_the_same():
    run = train_from_python(*TINY[:3], "name=a")
    assert run.results["command"] == "python -m src.train data=wine 'net.hidden=[8]' trainer.max_epochs=2 name=a"


def test_a_failed_run_says_what_it_was_made_with_too(call, monkeypatch):
    fails_after_one(monkeypatch)
    assert call("train", *TINY) == 1
    results = results_of(RUN)
    assert (results["status"], results["seed"]) == ("failed", 0)
    assert {"command", "git", "versions", "fingerprint"} <= results.keys()


def test_a_module_of_ones_own_has_them_in_its_checkpoints(train, monkeypatch):
    Path("odd_gan.py").write_text(
        "import lightning as L\nimport torch\n\n\nclass Mine(L.LightningModule):\n"
        "    def __init__(self):\n        super().__init__()\n        self.layer = torch.nn.Linear(13, 3)\n"
        "    def training_step(self, batch):\n"
        "        loss = torch.nn.functional.cross_entropy(self.layer(batch[0].float()), batch[1].long().flatten())\n"
        "        self.log('train/loss', loss)\n        return loss\n"
        "    def configure_optimizers(self):\n        return torch.optim.SGD(self.parameters(), 1e-6)\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    own = (
        "module._target_=odd_gan.Mine",
        "monitor=null",
        "callbacks.early_stopping=null",
        "trainer.max_epochs=1",
    )
    train("data=wine", *own, "name=a")
    assert checkpoint_of(RUN)["made_with"]["git"].keys() == {"commit", "dirty"}


def test_a_run_that_goes_on_with_other_code_says_so(call, capsys, monkeypatch):
    three = (*TINY[:2], *BARE, "trainer.max_epochs=3", "callbacks.last.every_seconds=0", "name=a")
    with monkeypatch.context() as patch:
        fails_after_one(patch)
        assert call("train", *three) == 1
    began = results_of(RUN)
    assert call("train", *three) == 0
    assert "other code" not in capsys.readouterr().err
    assert "went_on_with" not in results_of(RUN)

    shutil.rmtree(RUN)
    with monkeypatch.context() as patch:
        fails_after_one(patch)
        assert call("train", *three) == 1
    other = made_with(Path.cwd()) | {"git": {"commit": "fedcba9876543210", "dirty": False}}
    monkeypatch.setattr("src.training.training.made_with", lambda project: other)
    monkeypatch.setattr("src.files.origin.uncommitted", lambda project: b"later")
    capsys.readouterr()
    assert call("train", *three, "trainer.enable_progress_bar=true") == 0
    said = capsys.readouterr().err
    assert "The run goes on with other code than it began with: " in said
    assert "commit fedcba987654 (it was " in said or began["git"]["commit"] is None
    assert "other changes that are not committed" in said
    results = results_of(RUN)
    assert results["git"] == began["git"]
    assert results["went_on_with"]["git"] == other["git"]
    assert (RUN / "uncommitted.later.diff").read_bytes() == b"later"
    assert call("repeat", "outputs/a") == 0


# --- what is not committed -----------------------------------------------------------------------------------------


def git(*arguments: str, at: str = "project") -> str:
    me = ("-c", "user.name=me", "-c", "user.email=me@here", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", "-C", at, *me, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project() -> Path:
    """A project with a commit, in a repository."""
    for name in ("src/nets/mine.py", "conf/train.yaml", "gone.py", "moved.py", "outputs/.gitkeep"):
        Path("project", name).parent.mkdir(parents=True, exist_ok=True)
        Path("project", name).write_text("".join(f"{name} {line}\n" for line in range(20)))
    Path("project/data.bin").write_bytes(bytes(range(256)))
    Path("project/.gitignore").write_text("*.pyc\n/outputs/*\n!/outputs/.gitkeep\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    return Path("project")


def change(project: Path) -> None:
    """In every way."""
    (project / "src/nets/mine.py").write_text("changed\nwithout a last line end")
    (project / "conf/train.yaml").write_bytes(b"windows\r\nlatin \xe9\n")
    (project / "data.bin").write_bytes(bytes(range(255, -1, -1)))
    (project / "gone.py").unlink()
    (project / "moved.py").rename(project / "src/moved.py")
    (project / "outputs/.gitkeep").write_text("not this")
    for name in ("src/new.py", "src/a b/ünï 'x'.py", "conf/net/new.yaml", "examples/mine/a.py", "root.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(f"{name}\n")
    (project / "src/empty.py").touch()
    (project / "src/new.bin").write_bytes(os.urandom(1000))
    (project / "src/run.py").write_text("#!\n")
    (project / "src/run.py").chmod(0o755)
    for name in ("src/mine.pyc", "outputs/mine.py", "notes.txt", "more/own.py"):  # ignored, or none of the code
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("not this\n")


def files(project: Path) -> dict[str, tuple[bytes, int]]:
    paths = [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(project)): (path.read_bytes(), path.stat().st_mode & 0o111) for path in paths}


@pytest.mark.quick
def test_what_is_not_committed_is_a_patch_that_gives_the_same_files(project):
    assert uncommitted(project) == b""
    change(project)
    git("add", "data.bin")
    git("config", "diff.noprefix", "true")
    git("config", "color.diff", "always")
    before = git("status", "--porcelain")
    Path("uncommitted.diff").write_bytes(uncommitted(project))
    assert git("status", "--porcelain") == before
    assert b"not this" not in Path("uncommitted.diff").read_bytes()
    git("clone", "-q", "project", "clone", at=".")
    git("apply", str(Path("uncommitted.diff").absolute()), at="clone")
    left_out = ("src/mine.pyc", "outputs/mine.py", "notes.txt", "more/own.py", "outputs/.gitkeep")
    expected = {name: content for name, content in files(project).items() if name not in left_out}
    got = files(Path("clone"))
    del got["outputs/.gitkeep"]
    assert got == expected


def test_what_is_too_large_is_left_out_and_named(project, monkeypatch):
    change(project)
    (project / "src/elsewhere").symlink_to("..")
    (project / "src/large.py").write_text("x = 1\n" * 200_000)
    (project / "data.bin").write_bytes(os.urandom(2**20 + 1))
    patch = uncommitted(project)
    said = [line for line in patch.split(b"\n") if line.startswith(b"#")]
    assert said == [b"# left out: 'data.bin'", b"# left out: 'src/large.py'", b"# left out: 'src/elsewhere'"]
    assert len(patch) < 20_000
    Path("uncommitted.diff").write_bytes(patch)
    git("clone", "-q", "project", "clone", at=".")
    git("apply", str(Path("uncommitted.diff").absolute()), at="clone")
    assert Path("clone/src/new.py").exists()
    monkeypatch.setattr(origin, "MOST_NEW", 2)
    assert uncommitted(project).count(b"new file mode") == 2
    monkeypatch.setattr(origin, "MOST_IN_ALL", 1000)
    assert b"diff --git" not in uncommitted(project)
    assert b"src/new.py" in uncommitted(project)


def vanishes(project: Path, patch: pytest.MonkeyPatch) -> None:
    size = origin._size
    patch.setattr(origin, "_size", lambda path: (size(path), path.unlink(missing_ok=True))[0])


NO_GIT: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "no git": lambda project, patch: patch.setenv("PATH", ""),
    "no repository": lambda project, patch: shutil.rmtree(project / ".git"),
    "no head": lambda project, patch: (project / ".git/HEAD").write_text("garbage"),
    "a broken index": lambda project, patch: (project / ".git/index").write_bytes(b"garbage"),
    "no objects": lambda project, patch: shutil.rmtree(project / ".git/objects"),
    "no commit": lambda project, patch: (shutil.rmtree(project / ".git"), git("init", "-q")),
    "a git that hangs": lambda project, patch: (
        Path("git").write_text("#!/bin/sh\nexec sleep 5\n"),
        Path("git").chmod(0o755),
        patch.setenv("PATH", f"{Path.cwd()}:{os.environ['PATH']}"),
        patch.setattr(origin, "PATIENCE", 0.05),
    ),
    "a file that vanishes": vanishes,
}


@pytest.mark.parametrize("case", NO_GIT)
def test_no_state_of_the_repository_fails_a_run(project, monkeypatch, case):
    change(project)
    NO_GIT[case](project, monkeypatch)
    assert made_with(project)["git"].keys() == {"commit", "dirty"}
    assert isinstance(uncommitted(project), bytes)


def test_a_run_keeps_what_is_not_committed(project, train, monkeypatch):
    monkeypatch.setattr("src.training.training.PROJECT", project.absolute())
    assert train(*TINY)["uncommitted"] is None
    assert not (RUN / "uncommitted.diff").exists()
    change(project)
    results = train(*TINY[:-1], "name=b")
    patch = Path("outputs/b/uncommitted.diff").read_bytes()
    assert patch == uncommitted(project)
    assert results["uncommitted"] == hashlib.sha256(patch).hexdigest()
    assert results["git"] == {"commit": git("rev-parse", "HEAD").strip(), "dirty": True}
