"""The image nets: the sizes of their papers, the names of published weights, the data that they can read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

import pytest
import torch
from torch import Tensor, nn

from src.config.build import build
from src.config.compose import compose
from src.datasets.synthetic import stripes
from src.nets.googlenet import GoogLeNet
from src.nets.inception import Inception, InceptionBlock
from src.nets.resnet import BasicBlock, BottleneckBlock, ResNet
from src.nets.shapes import check_image, check_sequence

LARGE = ("googlenet", "resnet18", "resnet50")
SMALL = {"blocks": [1, 1], "widths": [16, 32]}


def net(name: str, size: int = 224, classes: int = 1000) -> nn.Module:
    """As conf/net/<name>.yaml has it, for colour images."""
    return build(compose(f"net={name}").net, input_shape=(3, size, size), output_size=classes)


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):  # sizes without memory
        return net(name)


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
    block = GoogLeNet((3, 32, 32), 2, branch3_kernel=5).get_submodule("inception4b.branch3.1.conv")
    assert isinstance(block, nn.Conv2d)
    assert block.kernel_size == (5, 5)


@pytest.mark.parametrize("name", LARGE)
def test_weights_saved_under_these_names_are_those_of_the_net_that_loads_them(name, tmp_path):
    torch.manual_seed(0)
    saved, loaded, x = net(name, 64, 5), net(name, 64, 5), torch.rand(2, 3, 64, 64)
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
    weight = ResNet((3, 32, 32), 2, "basic", [1, 1], [64, 128], "small").get_parameter("layer2.0.conv1.weight")
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


def test_googlenet_answers_three_times_in_training_and_once_afterwards():
    googlenet, x = net("googlenet", 64, 5), torch.rand(2, 3, 64, 64)
    answers = googlenet(x)
    assert isinstance(answers, tuple)
    assert [scores.shape for scores in answers] == [(2, 5)] * 3
    assert googlenet.auxiliary_weight == 0.3
    assert isinstance(googlenet.eval()(x), Tensor)


@pytest.mark.parametrize("name", LARGE)
def test_a_training_step_changes_every_weight(name):
    torch.manual_seed(0)
    large = net(name, 64, 5)
    before = {key: p.detach().clone() for key, p in large.named_parameters()}
    answers = large(torch.rand(4, 3, 64, 64))
    torch.cat(answers if isinstance(answers, tuple) else [answers]).square().sum().backward()
    torch.optim.SGD(large.parameters(), lr=0.1).step()
    assert [key for key, p in large.named_parameters() if torch.equal(p, before[key])] == []


@pytest.mark.parametrize("shape", [(3, 9, 12), (1, 8, 8), (2, 5, 33)])
def test_small_nets_read_images_of_any_size(shape):
    nets = [
        Inception(shape, 7, **SMALL),
        ResNet(shape, 7, "basic", **SMALL, stem="small"),
        ResNet(shape, 7, "bottleneck", **SMALL, stem="small"),
    ]
    assert [net(torch.rand(2, *shape)).shape for net in nets] == [(2, 7)] * 3


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 37, 50)])
def test_large_nets_read_images_from_32_pixels(shape):
    x = torch.rand(2, *shape)
    assert GoogLeNet(shape, 7).eval()(x).shape == (2, 7)
    assert ResNet(shape, 7, "basic", [1] * 4, [8] * 4, "imagenet").eval()(x).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["net=googlenet"], "net=googlenet needs images of at least 32 x 32, but these are 8 x 8. Use net=inception."),
        (["net=resnet50"], "net=resnet needs images of at least 32 x 32, but these are 8 x 8. Use net=resnet, or"),
        (["net=resnet50"], "or net.stem=small, which needs 8 x 8."),
        (["net=resnet", "net.blocks=[1,1,1,1,1]", "net.widths=[8,8,8,8,8]"], "at least 16 x 16, but these are 8 x 8."),
        (["net=inception", "net.blocks=[1,1,1,1,1]", "net.widths=[16,16,16,16,16]"], "Use fewer stages in net.blocks"),
        (["net=inception", "net.widths=[64]"], "net.blocks=[1, 1] and net.widths=[64]: one number a stage in each"),
        (["net=inception", "net.widths=[64,50]"], "net.widths=[64, 50]: the branches share a multiple of 16."),
        (["net=resnet", "net.blocks=[1,0]"], "net.blocks=[1, 0] and net.widths=[32, 64]: one number a stage in each"),
        (["net=resnet", "net.stem=big"], "net.stem='big': imagenet or small is needed."),
        (["net=googlenet", "net.branch3_kernel=4", "data=stripes", "data.size=9"], "an odd number keeps the size"),
        (["net=googlenet", "net.auxiliary_weight=-1", "data=stripes", "data.size=9"], "net.auxiliary_weight=-1: at le"),
        (["net=inception", "data=wine"], "net=inception reads images (channels, height, width), but an example of"),
        (["net=resnet", "data=wine"], "net=resnet reads images (channels, height, width), but an example of"),
        (["net=googlenet", "data=wine"], "net=googlenet reads images (channels, height, width), but an example of"),
        (["data=stripes", "data.classes=1"], "data.classes=1: at least 2."),
        (["data=stripes", "data.shape=[64,64]"], "data.shape=[64, 64]: an image needs [channels,height,width]"),
    ],
)
def test_what_does_not_fit_is_told_in_the_users_words(call, capsys, arguments, says):
    assert call("train", *arguments) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((8, 9), "[8, 9]. If it is a grey image, type data.shape=[1,8,9], else use net=mlp or net=linear."),
        ((64,), "[64]. If it is an image row by row, type data.shape=[1,8,8], else use net=mlp or net=linear."),
        ((16,), "type data.shape=[1,4,4]"),
        ((9,), "is [9]. Use net=mlp or net=linear."),
        ((13,), "is [13]. Use net=mlp or net=linear."),
        ((2, 3, 8, 8), "is [2, 3, 8, 8]. Use net=mlp or net=linear."),
    ],
)
def test_data_that_are_no_images_are_viewed_as_such_where_they_can_be(shape, says):
    check_image("cnn", (3, 8, 8))
    with pytest.raises(ValueError, match="net=cnn reads images") as error:
        check_image("cnn", shape)
    assert str(error.value).endswith(says) or says.startswith("type")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, 8, 9), "is [1, 8, 9]. To read an image row by row, type data.shape=[8,9]."),
        ((3, 8, 9), "is [3, 8, 9]. No view of an image in colours keeps its rows together. Use net=cnn."),
        ((13,), "is [13]. To read one value after another, type data.shape=[13,1]."),
        ((2, 3, 8, 8), "is [2, 3, 8, 8]. Use net=mlp or net=linear."),
    ],
)
def test_data_that_are_no_sequences_are_viewed_as_such_where_they_can_be(shape, says):
    check_sequence("gru", (8, 9))
    with pytest.raises(ValueError, match="net=gru reads sequences") as error:
        check_sequence("gru", shape)
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
