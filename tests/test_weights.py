"""A net starts from the parameters in a file."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from src.learning.weights import load_weights, read_weights
from src.run import Run
from tests.config_nets import net as config_net


def same(net: nn.Module, other: nn.Module) -> bool:
    mine, theirs = net.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def small(classes: int = 3) -> nn.Module:
    return config_net("mlp", (4,), classes, hidden=[8])


@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize("wrap", [dict, lambda state: {"state_dict": state, "epoch": 3}], ids=["plain", "state_dict"])
def test_what_torch_saved(capsys, wrap, is_legacy):
    net, other = small(), small()
    torch.save(wrap(other.state_dict()), "w.pth", _use_new_zipfile_serialization=not is_legacy)
    load_weights(net, "w.pth")
    assert same(net, other)
    assert capsys.readouterr().out == ""


def test_safetensors_and_buffers(capsys):
    net, other = (config_net("cnn", (1, 8, 8), 3, channels=[4]) for _ in range(2))
    other(torch.rand(5, 1, 8, 8))  # moves the statistics of the batch norm
    save_file(other.state_dict(), "w.safetensors")
    load_weights(net, "w.safetensors")
    assert same(net, other)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["safetensors", "state_dict", "checkpoint"])
def test_what_a_run_left(train, call, capsys, name):
    train("data=wine", "net.hidden=[8]", "trainer.max_epochs=1", "name=r")
    path = {
        "safetensors": "outputs/r/export/parameters.safetensors",
        "state_dict": "outputs/r/export/parameters.pt",
        "checkpoint": "outputs/r/checkpoints/best.ckpt",
    }[name]
    assert name == "checkpoint" or call("export", "outputs/r", f"format={name}") == 0
    capsys.readouterr()
    net = config_net("mlp", (13,), 3, hidden=[8])
    load_weights(net, path)
    assert same(net, Run("outputs/r").load().net)
    assert capsys.readouterr().out == ""


def test_a_net_with_a_part_of_the_name_net():
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small()

    net, other = Nested(), Nested()
    torch.save(other.state_dict(), "own.pt")
    load_weights(net, "own.pt")
    assert same(net, other)
    torch.save({f"net.{name}": value for name, value in small().state_dict().items()}, "bare.pt")
    load_weights(small(), "bare.pt")


def test_a_last_layer_for_other_classes_stays_and_is_named(capsys):
    net, other = small(5), small(3)
    last = net.get_parameter("4.weight").clone()
    torch.save(other.state_dict(), "w.pt")
    load_weights(net, "w.pt")
    assert torch.equal(net.get_parameter("1.weight"), other.get_parameter("1.weight"))
    assert torch.equal(net.get_parameter("4.weight"), last)
    stayed = "4.weight (5 x 8, in the file 3 x 8), 4.bias (5, in the file 3)"
    assert capsys.readouterr().out == f"w.pt: 2 of the net's 4 tensors; as they were: {stayed}\n"


def test_a_tensor_of_the_same_size_in_another_shape_stays(capsys):
    net, other = small(), small()
    first = net.get_parameter("1.weight").clone()
    torch.save(other.state_dict() | {"1.weight": other.get_parameter("1.weight").T.contiguous()}, "w.pt")
    load_weights(net, "w.pt")
    assert torch.equal(net.get_parameter("1.weight"), first)
    assert torch.equal(net.get_parameter("4.weight"), other.get_parameter("4.weight"))
    assert "as they were: 1.weight (8 x 4, in the file 4 x 8)" in capsys.readouterr().out


def test_many_that_stay_are_one_line(capsys):
    net = config_net("mlp", (4,), 3, hidden=[8] * 5)
    torch.save({"1.weight": net.get_parameter("1.weight")}, "w.pt")
    load_weights(net, "w.pt")
    out = capsys.readouterr().out
    assert out.startswith("w.pt: 1 of the net's 12 tensors; as they were: 1.bias (not in the file), ")
    assert out.endswith(" and 7 more\n")


def test_old_files_without_the_batch_norms_counter(capsys):
    net = config_net("cnn", (1, 8, 8), 3, channels=[4])
    state = {name: value for name, value in net.state_dict().items() if "num_batches_tracked" not in name}
    torch.save(state, "w.pth")
    load_weights(net, "w.pth")
    assert capsys.readouterr().out == ""


def _flip_a_byte(path: Path) -> None:
    torch.save(small().state_dict(), path)
    content = bytearray(path.read_bytes())
    place = content.index(b"data/0") + 100
    content[place] ^= 255
    path.write_bytes(content)


def _cut(path: Path) -> None:
    torch.save(small().state_dict(), path)
    path.write_bytes(path.read_bytes()[:500])


def _cut_of_old(path: Path) -> None:
    torch.save(small().state_dict(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:150])


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.txt", "no parameters")


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("none.pt", lambda path: None, "none.pt is not a file."),
        ("folder.pt", lambda path: path.mkdir(), "folder.pt is not a file."),
        ("empty.pt", lambda path: path.touch(), "empty.pt is damaged, or no file of parameters"),
        ("text.pt", lambda path: path.write_text("weights"), "text.pt is damaged, or"),
        ("cut.pt", _cut, "cut.pt is damaged, or"),
        ("old.pt", _cut_of_old, "old.pt is damaged, or"),
        ("flipped.pt", _flip_a_byte, "flipped.pt is damaged, or no file of parameters"),
        ("zip.pt", _zip, "zip.pt is damaged, or no file of parameters"),
        ("net.pt", lambda path: torch.save(small(), path), "net.pt is damaged, or holds more than parameters"),
        ("any.pt", lambda path: path.write_bytes(pickle.dumps(small())), "any.pt is damaged, or holds more than"),
        ("list.pt", lambda path: torch.save([torch.zeros(2)], path), "list.pt holds no parameters by name"),
        ("other.pt", lambda path: torch.save({"epoch": 3}, path), "other.pt holds no parameters by name"),
        ("text.safetensors", lambda path: path.write_text("x" * 99), "text.safetensors is damaged, or no file of"),
        ("empty.safetensors", lambda path: path.touch(), "empty.safetensors is damaged, or no file of safetensors"),
    ],
)
def test_what_is_no_file_of_parameters_is_told(monkeypatch, name, make, says):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # even then no pickle is run
    make(Path(name))
    with pytest.raises(ValueError, match=says) as error:
        read_weights(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"fc.weight": torch.zeros(3, 2)}, r"it holds fc.weight \(3 x 2\), the net 1.weight \(8 x 4\), 1.bias \(8\)"),
        ({"1.weight": torch.zeros(9, 9)}, r"w.pt fits no part of this net: it holds 1.weight \(9 x 9\)"),
        ({}, "it holds nothing, the net"),
    ],
)
def test_a_file_for_another_net_is_refused(state, says):
    net, before = small(), small()
    before.load_state_dict(net.state_dict())
    torch.save(state, "w.pt")
    with pytest.raises(ValueError, match=says):
        load_weights(net, "w.pt")
    assert same(net, before)
