"""The nets: the sizes of their papers, the names of published weights, the data that they can read."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from src import nets
from src.console.messages import UserError
from src.datasets.synthetic import stripes
from src.nets.inception import InceptionBlock
from src.nets.resnet import BasicBlock, BottleneckBlock
from src.nets.shapes import check_image, check_sequence
from tests.config_nets import net

LARGE = ("googlenet", "resnet18", "resnet50")
COLOUR = (3, 224, 224)
DIGIT = (1, 8, 8)


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):  # sizes without memory
        return net(name, COLOUR, 1000)


@pytest.mark.parametrize("name", nets.__all__)
def test_a_nets_defaults_stand_in_its_config_alone(name):
    parameters = inspect.signature(getattr(nets, name)).parameters.values()
    assert [p.name for p in parameters if p.default is not p.empty] == []


@pytest.mark.quick
def test_nets_have_the_sizes_that_they_are_told():
    mlp = net("mlp", (1, 8, 8), 10, hidden=[32, 16], activation="gelu")
    assert mlp(torch.rand(5, 1, 8, 8)).shape == (5, 10)
    assert sum(p.numel() for p in mlp.parameters()) == 64 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10
    assert sum(isinstance(layer, nn.GELU) for layer in mlp.modules()) == 2
    cnn = net("cnn", (3, 9, 12), 2, channels=[4, 8], kernel_size=5)
    assert cnn(torch.rand(5, 3, 9, 12)).shape == (5, 2)


def test_recurrent_nets_read_their_outputs_from_the_last_state():
    x = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    for cell in ("rnn", "lstm", "gru"):
        for layers, both in ((1, False), (2, False), (2, True)):
            rnn = nets.RNN((7, 3), 4, cell, hidden_size=6, num_layers=layers, bidirectional=both, dropout=0.5).eval()
            states, _ = rnn.recurrent(x)  # (5, 7, 6 or 12)
            last = torch.cat([states[:, -1, :6], states[:, 0, 6:]], dim=1)  # the second reads from the end
            assert torch.allclose(rnn(x), rnn.linear(last), atol=1e-6)


@pytest.mark.quick
def test_a_loop_over_cells_is_an_rnn():
    x = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    rnn, by_cell = net("rnn", (7, 3), 4, hidden_size=6), net("rnn_cell", (7, 3), 4, hidden_size=6)
    renamed = {
        name.replace("recurrent.", "cell.").replace("_l0", ""): value for name, value in rnn.state_dict().items()
    }
    by_cell.load_state_dict(renamed)
    assert (rnn(x) - by_cell(x)).abs().max() < 1e-6


def test_two_ways_to_write_a_line():
    x = torch.tensor([[0.0], [1.0], [2.0]])
    parameters, nested = nets.LineParameters((1,), 1), nets.LineNested((1,), 1)
    nested.load_state_dict({"linear.weight": parameters.slope[None].data, "linear.bias": parameters.intercept.data})
    assert torch.allclose(parameters(x), nested(x))


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("googlenet", 13_004_888),
    ],
)
def test_the_large_nets_have_as_many_weights_as_the_published_ones(name, weights):
    assert sum(p.numel() for p in on_meta(name).parameters()) == weights


def norm(name: str, channels: int) -> Iterator[tuple[str, list[int]]]:
    yield from ((f"{name}.{key}", [channels]) for key in ("weight", "bias", "running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", []


def conv_norm(conv: str, bn: str, inputs: int, outputs: int, kernel: int) -> Iterator[tuple[str, list[int]]]:
    yield f"{conv}.weight", [outputs, inputs, kernel, kernel]
    yield from norm(bn, outputs)


def resnet_names(blocks: list[int], kernels: list[int], expansion: int) -> dict[str, list[int]]:
    """Names and shapes by the paper's rule; `kernels` are those of a block's convolutions, the last one expands."""
    names, inputs = [conv_norm("conv1", "bn1", 3, 64, 7)], 64
    for stage, count in enumerate(blocks, start=1):
        width = 64 * 2 ** (stage - 1)
        for i in range(count):
            block = f"layer{stage}.{i}"
            sizes = [inputs, *[width] * (len(kernels) - 1), expansion * width]
            for number, kernel in enumerate(kernels, start=1):
                sizes_here = sizes[number - 1], sizes[number]
                names.append(conv_norm(f"{block}.conv{number}", f"{block}.bn{number}", *sizes_here, kernel))
            if i == 0 and inputs != expansion * width:
                down = f"{block}.downsample"
                names.append(conv_norm(f"{down}.0", f"{down}.1", inputs, expansion * width, 1))
            inputs = expansion * width
    return {**dict(chain(*names)), "fc.weight": [1000, inputs], "fc.bias": [1000]}


@pytest.mark.parametrize(
    ("name", "blocks", "kernels", "expansion", "entries"),
    [("resnet18", [2, 2, 2, 2], [3, 3], 1, 122), ("resnet50", [3, 4, 6, 3], [1, 3, 1], 4, 320)],
)
def test_resnets_weights_have_the_names_and_shapes_of_published_ones(name, blocks, kernels, expansion, entries):
    ours = {key: list(value.shape) for key, value in on_meta(name).state_dict().items()}
    assert ours == resnet_names(blocks, kernels, expansion)
    assert len(ours) == entries


def test_googlenets_weights_have_the_names_and_shapes_of_published_ones():
    ours = {key: list(value.shape) for key, value in on_meta("googlenet").state_dict().items()}
    convolutions = {
        "conv1": (3, 64, 7),
        "inception3a.branch1": (192, 64, 1),
        "inception3a.branch2.0": (192, 96, 1),
        "inception3a.branch2.1": (96, 128, 3),
        "inception3a.branch3.0": (192, 16, 1),
        "inception3a.branch3.1": (16, 32, 3),
        "inception3a.branch4.1": (192, 32, 1),
        "aux1.conv": (512, 128, 1),
        "aux2.conv": (528, 128, 1),
    }
    expected = dict(chain(*(conv_norm(f"{k}.conv", f"{k}.bn", *sizes) for k, sizes in convolutions.items())))
    for name in ("aux1", "aux2"):
        expected |= {f"{name}.fc1.weight": [1024, 2048], f"{name}.fc1.bias": [1024]}
        expected |= {f"{name}.fc2.weight": [1000, 1024], f"{name}.fc2.bias": [1000]}
    expected |= {"fc.weight": [1000, 1024], "fc.bias": [1000]}
    written_out = tuple(f"{name}." for name in ("conv1", "inception3a", "aux1", "aux2", "fc"))
    assert {key: shape for key, shape in ours.items() if key.startswith(written_out)} == expected
    blocks = [f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    top = ["conv1", "conv2", "conv3", *blocks, "aux1", "aux2", "fc"]
    assert list(dict.fromkeys(key.split(".")[0] for key in ours)) == top
    assert len(ours) == 6 * (3 + 6 * 9 + 2) + 4 * 2 + 2  # a convolution with its norm has 6


def test_a_kernel_of_5_as_in_the_paper_is_one_parameter():
    block = net("googlenet", COLOUR, 2, branch3_kernel=5).get_submodule("inception4b.branch3.1.conv")
    assert isinstance(block, nn.Conv2d)
    assert block.kernel_size == (5, 5)


@pytest.mark.parametrize("name", LARGE)
def test_weights_saved_under_these_names_are_those_of_the_net_that_loads_them(name, tmp_path):
    torch.manual_seed(0)
    saved, loaded, x = net(name, (3, 64, 64), 5), net(name, (3, 64, 64), 5), torch.rand(2, 3, 64, 64)
    torch.save(saved.state_dict(), tmp_path / "published.pth")
    assert not torch.equal(saved.eval()(x), loaded.eval()(x))
    loaded.load_state_dict(torch.load(tmp_path / "published.pth", weights_only=True), strict=True)
    assert torch.equal(saved(x), loaded(x))


@pytest.mark.parametrize(("block", "inputs", "last"), [(BasicBlock, 8, "bn2"), (BottleneckBlock, 32, "bn3")])
def test_a_residual_block_that_adds_nothing_leaves_x_as_it_is(block, inputs, last):
    x, layer = torch.randn(2, inputs, 5, 5), block(inputs, 8, stride=1)
    assert not torch.allclose(layer(x), x.relu())
    nn.init.zeros_(layer.get_submodule(last).weight)
    assert torch.equal(layer(x), x.relu())


def test_the_3x3_convolution_of_a_bottleneck_has_the_stride():
    block = BottleneckBlock(8, 4, stride=2)
    assert [conv.stride for conv in (block.conv1, block.conv2, block.conv3)] == [(1, 1), (2, 2), (1, 1)]


def test_a_residual_net_begins_with_gradients_that_keep_their_size():
    weight = net("resnet", COLOUR, 2, widths=[64, 128]).get_parameter("layer2.0.conv1.weight")
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.02)  # fan out


def test_an_inception_block_puts_its_four_branches_side_by_side():
    block, x = InceptionBlock(6, 1, 2, 3, 4, 5, 7).eval(), torch.randn(2, 6, 5, 4)
    y = block(x)
    assert y.shape == (2, 1 + 3 + 5 + 7, 5, 4)
    branches = [block.branch1, block.branch2, block.branch3, block.branch4]
    for part, branch in zip(y.split([1, 3, 5, 7], dim=1), branches, strict=True):
        assert torch.equal(part, branch(x))
    sees = [[conv.kernel_size[0] for conv in b.modules() if isinstance(conv, nn.Conv2d)] for b in branches]
    assert sees == [[1], [1, 3], [1, 5], [1]]


def test_googlenet_has_three_outputs_in_training_and_one_afterwards():
    googlenet, x = net("googlenet", (3, 64, 64), 5), torch.rand(2, 3, 64, 64)
    outputs = googlenet(x)
    assert isinstance(outputs, tuple)
    assert [one.shape for one in outputs] == [(2, 5)] * 3
    assert googlenet.auxiliary_weight == 0.3
    assert isinstance(googlenet.eval()(x), Tensor)


@pytest.mark.parametrize("name", LARGE)
def test_a_training_step_changes_every_weight(name):
    torch.manual_seed(0)
    large = net(name, (3, 64, 64), 5)
    before = {key: p.detach().clone() for key, p in large.named_parameters()}
    outputs = large(torch.rand(4, 3, 64, 64))
    torch.cat(outputs if isinstance(outputs, tuple) else [outputs]).square().sum().backward()
    torch.optim.SGD(large.parameters(), lr=0.1).step()
    assert [key for key, p in large.named_parameters() if torch.equal(p, before[key])] == []


@pytest.mark.parametrize("shape", [(3, 9, 12), (1, 8, 8), (2, 5, 33)])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_small_resnet_reads_images_of_any_size(shape, block):
    resnet = net("resnet", shape, 7, block=block)
    assert resnet(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("shape", [(3, 9, 12), (1, 8, 8), (2, 5, 33)])
def test_a_small_inception_net_reads_images_of_any_size(shape):
    assert net("inception", shape, 7)(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 37, 50)])
@pytest.mark.parametrize(("name", "changes"), [("googlenet", {}), ("resnet18", {"widths": [8] * 4})])
def test_large_nets_read_images_from_32_pixels(shape, name, changes):
    large = net(name, shape, 7, **changes).eval()
    assert large(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("name", "shape", "changes", "says"),
    [
        ("googlenet", DIGIT, {}, "GoogLeNet needs images of at least 32 x 32, but these are 8 x 8. Use"),
        ("resnet50", DIGIT, {}, "a ResNet with stem=imagenet needs images of at least 32 x 32, but"),
        ("resnet50", DIGIT, {}, "Use a smaller ResNet, or stem=small, which needs 8 x 8."),
        ("resnet", DIGIT, {"blocks": [1] * 5, "widths": [8] * 5}, "a ResNet needs images of at least 16 x 16"),
        ("inception", DIGIT, {"blocks": [1] * 5, "widths": [16] * 5}, "Use fewer stages in blocks= and widths=."),
        ("inception", DIGIT, {"widths": [64]}, "blocks=[1, 1] and widths=[64]: one number a stage in each"),
        ("inception", DIGIT, {"widths": [64, 50]}, "widths=[64, 50]: the branches share a multiple of 16."),
        ("resnet", DIGIT, {"blocks": [1, 0]}, "blocks=[1, 0] and widths=[32, 64]: one number a stage in each"),
        ("googlenet", (3, 32, 32), {"branch3_kernel": 4}, "branch3_kernel=4: an odd number keeps the"),
        ("googlenet", (3, 32, 32), {"branch3_kernel": -1}, "branch3_kernel=-1: an odd number keeps the"),
        ("googlenet", (3, 32, 32), {"auxiliary_weight": -1}, "auxiliary_weight=-1: at least 0."),
        ("cnn", DIGIT, {"channels": [8] * 4}, "channels=[8, 8, 8, 8]: each block halves the image"),
        ("cnn", DIGIT, {"channels": [0]}, "channels=[0]: a block needs at least 1 channel."),
        ("cnn", DIGIT, {"kernel_size": 4}, "kernel_size=4: an odd number keeps the size of the image."),
        ("cnn", DIGIT, {"activation": "reluu"}, "activation='reluu' is not an activation of torch.nn."),
        ("mlp", DIGIT, {"hidden": [8, 0]}, "hidden=[8, 0]: a layer needs at least 1 unit."),
        ("gru", (8, 8), {"hidden_size": 0}, "hidden_size=0 num_layers=1: at least 1 of each."),
        ("rnn_cell", (8, 8), {"hidden_size": 0}, "hidden_size=0: a state needs at least 1 value."),
        ("cnn", (13,), {}, "a CNN reads images (channels, height, width), but an example of these"),
        ("resnet", (13,), {}, "a ResNet reads images (channels, height, width), but an example of"),
        ("inception", (13,), {}, "an Inception net reads images (channels, height, width), but an"),
        ("googlenet", (13,), {}, "GoogLeNet reads images (channels, height, width), but an example of"),
        ("lstm", DIGIT, {}, "an LSTM reads sequences (steps, features), but an example of these data is [1, 8, 8]"),
        ("rnn_cell", DIGIT, {}, "an RNN reads sequences (steps, features), but an example of these data is [1, 8, 8]"),
        ("line_nested", DIGIT, {}, "a line learns one y from one x, but an example of these data is [1, 8, 8]"),
    ],
)
def test_what_does_not_fit_is_told_in_the_nets_own_parameters(name, shape, changes, says):
    with pytest.raises(UserError) as error:
        net(name, shape, 10, **changes)
    assert says in str(error.value)
    assert not re.search(r"\b(net|data)[.=]\w", str(error.value))  # keys are for what builds the net to name


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["data.classes=1"], "data.classes=1: at least 2."),
        (["data.shape=[64,64]"], "data.shape=[64, 64]: an image needs [channels,height,width]"),
    ],
)
def test_stripes_that_cannot_be_are_told_in_the_users_words(call, capsys, arguments, says):
    assert call("train", "data=stripes", *arguments) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((8, 9), "is [8, 9]. If it is a grey image, type input_shape=[1,8,9], else use a net that reads any"),
        ((64,), "is [64]. If it is an image row by row, type input_shape=[1,8,8], else use a net that reads any"),
        ((16,), "type input_shape=[1,4,4]"),
        ((9,), "is [9]. Use a net that reads any shape, such as an MLP or a linear one."),
        ((13,), "is [13]. Use a net that reads any shape, such as an MLP or a linear one."),
        ((2, 3, 8, 8), "is [2, 3, 8, 8]. Use a net that reads any shape, such as an MLP or a linear one."),
    ],
)
def test_data_that_are_no_images_are_viewed_as_such_where_they_can_be(shape, says):
    check_image("a CNN", (3, 8, 8))
    with pytest.raises(UserError, match="a CNN reads images") as error:
        check_image("a CNN", shape)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, 8, 9), "is [1, 8, 9]. To read an image row by row, type input_shape=[8,9]."),
        ((3, 8, 9), "is [3, 8, 9]. No view of an image in colours keeps its rows together. Use a CNN."),
        ((13,), "is [13]. To read one value after another, type input_shape=[13,1]."),
        ((2, 3, 8, 8), "is [2, 3, 8, 8]. Use a net that reads any shape, such as an MLP or a linear one."),
    ],
)
def test_data_that_are_no_sequences_are_viewed_as_such_where_they_can_be(shape, says):
    check_sequence("a GRU", (8, 9))
    with pytest.raises(UserError, match="a GRU reads sequences") as error:
        check_sequence("a GRU", shape)
    assert says in str(error.value)


def made(seed: int = 0, noise: float = 0.05) -> tuple[Tensor, Tensor]:
    data = stripes(40, classes=4, shape=[3, 32, 40], noise=noise, data_seed=seed)
    assert data.classes == ["0°", "45°", "90°", "135°"]
    return data.x, data.y


def test_stripes_follow_from_their_seed():
    (x, y), (again, _), (other, _) = made(0), made(0), made(1)
    assert (x.dtype, x.shape) == (torch.uint8, (40, 3, 32, 40))
    assert torch.equal(x, again)
    assert not torch.equal(x, other)
    assert len(x.unique(dim=0)) == 40  # each image is another
    assert y.bincount().tolist() == [10, 10, 10, 10]


def test_the_class_of_stripes_is_the_direction_in_which_they_change():
    x, y = made(noise=0.0)
    right = (x.float().diff(dim=3)[:, :, 1:]).flatten(1)  # (N, values), the change from a pixel to the next
    down = (x.float().diff(dim=2)[:, :, :, 1:]).flatten(1)
    # The structure tensor's main axis, in degrees from 0 to 180.
    angle = torch.atan2(2 * (right * down).sum(1), (right**2 - down**2).sum(1)).rad2deg() / 2 % 180
    away = (angle - 45 * y + 90) % 180 - 90
    assert away.abs().max() < 10


def test_images_with_channels_last_are_told():
    with pytest.raises(UserError, match=r"\[28, 28, 3\]: are the channels last\?"):
        check_image("a CNN", (28, 28, 3))
