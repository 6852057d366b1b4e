"""The net by hand: its gradients are the slopes that finite differences find, and all is as torch.nn computes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import functional_call

import src
from src import by_hand
from src.console.messages import UserError
from src.nets import CNN

pytestmark = pytest.mark.quick

IMAGES = (2, 2, 5, 6)
LAYERS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("Linear", {"in_features": 5, "out_features": 4}, (3, 5)),
    ("Linear", {"in_features": 5, "out_features": 4, "bias": False}, (3, 5)),
    ("Flatten", {}, IMAGES),
    ("Dropout", {"p": 0.3}, IMAGES),
    ("Dropout", {"p": 0.0}, IMAGES),
    ("Dropout", {"p": 1.0}, IMAGES),
    ("ReLU", {}, IMAGES),
    ("Sigmoid", {}, IMAGES),
    ("Tanh", {}, IMAGES),
    ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3}, IMAGES),
    ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "padding": 1, "bias": False}, IMAGES),
    ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 2, "stride": 3}, IMAGES),  # some pixels in none
    ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 2}, IMAGES),
    ("MaxPool2d", {"kernel_size": 2}, IMAGES),
    ("MaxPool2d", {"kernel_size": 3, "stride": 1}, IMAGES),  # windows overlap
    ("MaxPool2d", {"kernel_size": 2, "stride": 3}, IMAGES),
    ("BatchNorm2d", {"num_features": 2}, IMAGES),
    ("BatchNorm2d", {"num_features": 2, "eps": 0.1, "momentum": 0.4}, IMAGES),
]
NAMES = [f"{name}({', '.join(f'{k}={v}' for k, v in options.items())})" for name, options, _ in LAYERS]
every_layer = pytest.mark.parametrize(("name", "options", "shape"), LAYERS, ids=NAMES)
both_modes = pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
LOSSES: dict[str, Callable[[], Tensor]] = {
    "MSELoss": lambda: torch.randn(6, 4).double(),
    "CrossEntropyLoss": lambda: torch.randint(0, 4, (6,)),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def twins(name: str, options: dict[str, Any], training: bool = True) -> tuple[nn.Module, nn.Module]:
    """The layer by hand and that of torch.nn, with the same random state."""
    ours, theirs = getattr(by_hand, name)(**options).double(), getattr(nn, name)(**options).double()
    for values in ours.state_dict().values():
        if values.is_floating_point():
            values.uniform_(0.5, 1.5)
    theirs.load_state_dict(ours.state_dict())
    return ours.train(training), theirs.train(training)


def all_gradients(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The output for x, and the gradients of a mixture of it by x and by each parameter."""
    x = x.clone().requires_grad_()
    torch.manual_seed(1)  # the same dropout, the same mixture
    y = layer(x)
    (y * torch.randn_like(y)).sum().backward()
    gradients = [x.grad, *(p.grad for p in layer.parameters())]
    return [y.detach(), *(g for g in gradients if g is not None)]


def assert_same(ours: Any, theirs: Any, within: float = 1e-10) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=within)


@both_modes
@every_layer
def test_the_gradients_are_the_slopes(name, options, shape, training):
    layer, _ = twins(name, options, training)
    names = [key for key, _ in layer.named_parameters()]

    def output(x: Tensor, *parameters: Tensor) -> Tensor:
        torch.manual_seed(1)  # the same dropout each time
        return functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    x = torch.randn(shape).double().requires_grad_()
    assert gradcheck(output, (x, *layer.parameters()))


@both_modes
@every_layer
def test_outputs_and_gradients_equal_those_of_torch_nn(name, options, shape, training):
    ours, theirs = twins(name, options, training)
    x = torch.randn(shape).double()
    gradients = all_gradients(ours, x)
    assert len(gradients) == 2 + len(list(ours.parameters()))
    assert_same(gradients, all_gradients(theirs, x))


@pytest.mark.parametrize("name", ["ReLU", "MaxPool2d"])
def test_where_there_is_no_slope_the_same_is_taken_as_in_torch_nn(name):
    ours, theirs = twins(name, {"kernel_size": 3, "stride": 1} if name == "MaxPool2d" else {})
    x = torch.randint(-1, 2, IMAGES).double()  # full of zeros and of equal neighbours
    assert_same(all_gradients(ours, x), all_gradients(theirs, x))


@every_layer
def test_a_layer_begins_with_the_weights_of_torch_nn(name, options, shape):
    torch.manual_seed(2)
    ours = getattr(by_hand, name)(**options).state_dict()
    torch.manual_seed(2)
    theirs = getattr(nn, name)(**options).state_dict()
    assert list(ours) == list(theirs)
    assert_same(ours, dict(theirs), within=1e-7)


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_the_running_statistics_equal_those_of_torch_nn(momentum):
    ours, theirs = twins("BatchNorm2d", {"num_features": 2, "momentum": momentum})
    for step in range(5):
        x = 3 * torch.randn(4, 2, 3, 3).double() + step
        ours(x)
        theirs(x)
        assert_same(ours.state_dict(), dict(theirs.state_dict()))
    assert ours.num_batches_tracked == 5
    assert_same(ours.eval()(x), theirs.eval()(x))


def test_evaluation_leaves_the_running_statistics_alone():
    layer, _ = twins("BatchNorm2d", {"num_features": 2}, training=False)
    before = {key: values.clone() for key, values in layer.state_dict().items()}
    layer(torch.randn(IMAGES).double())
    assert_same(dict(layer.state_dict()), before, within=0)


def test_batch_norm_refuses_a_single_value():
    with pytest.raises(UserError, match="cannot train on one value per channel"):
        by_hand.BatchNorm2d(2)(torch.randn(1, 2, 1, 1))


def test_dropout_keeps_the_expected_value_and_drops_its_share():
    y = by_hand.Dropout(0.3)(torch.ones(100_000))
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    assert (y == 0).double().mean().item() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_and_its_gradients_equal_those_of_torch_nn(name):
    outputs, target = 5 * torch.randn(6, 4).double(), LOSSES[name]()
    variables = [[t.clone().requires_grad_(t.is_floating_point()) for t in (outputs, target)] for _ in range(2)]
    losses = [getattr(module, name)()(*pair) for module, pair in zip((by_hand, nn), variables, strict=True)]
    for loss in losses:
        (3 * loss).backward()
    assert_same(losses[0], losses[1])
    gradients = [[t.grad for t in pair if t.requires_grad] for pair in variables]
    assert_same(gradients[0], gradients[1])
    assert gradcheck(getattr(by_hand, name)(), variables[0])


def test_cross_entropy_of_huge_outputs_is_finite_and_right():
    outputs = torch.tensor([[1e4, 0.0, -1e4], [1e4, 0.0, -1e4]], requires_grad=True)
    loss = by_hand.CrossEntropyLoss()(outputs, torch.tensor([0, 2]))
    loss.backward()
    assert loss.item() == pytest.approx(1e4)  # nothing for the first, 2e4 for the second
    assert_same(outputs.grad, torch.tensor([[0, 0, 0], [0.5, 0, -0.5]]))


@pytest.mark.parametrize(("name", "least"), [("Sigmoid", 0.0), ("Tanh", -1.0), ("ReLU", 0.0)])
def test_an_activation_far_out_is_flat_and_finite(name, least):
    layer, x = getattr(by_hand, name)(), torch.tensor([-1e3, -1e30], requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.tolist() == [least, least]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0]
    assert layer(torch.tensor(float("nan"))).isnan()  # a failure must not go unseen


def test_tanh_is_exact_near_zero():
    x = torch.tensor([1e-30, -1e-12, 1e-5, 0.0]).double()
    torch.testing.assert_close(by_hand.Tanh()(x), x.tanh(), rtol=1e-14, atol=0)


def test_a_loss_refuses_a_target_of_another_kind():
    with pytest.raises(UserError, match=r"outputs are \[6, 4\] and the target is \[6\]. For class numbers use Cross"):
        by_hand.MSELoss()(torch.randn(6, 4), torch.randint(0, 4, (6,)))
    for outputs in (torch.randn(6, 1), torch.randn(6), torch.randn(5, 4)):
        with pytest.raises(UserError, match="at least 2 classes"):
            by_hand.CrossEntropyLoss()(outputs, torch.randint(0, 1, (6,)))


def descend(optimizer_class: type, weights: Tensor, stop: int | None = None, **options: float) -> Tensor:
    """The weights after 60 steps on a least-squares problem under a schedule; at `stop` all is saved and loaded."""
    x, y = torch.randn(20, 3).double(), torch.randn(20, 1).double()

    def start(weights: Tensor) -> tuple[Any, ...]:
        w = weights.clone().requires_grad_()
        optimizer = optimizer_class([w], lr=0.1, **options)
        return w, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.3)

    w, optimizer, scheduler = start(weights)
    for step in range(60):
        if step == stop:
            torch.save([w.detach(), optimizer.state_dict(), scheduler.state_dict()], "state.pt")
            values, *states = torch.load("state.pt", weights_only=True)
            w, optimizer, scheduler = start(values)
            optimizer.load_state_dict(states[0])
            scheduler.load_state_dict(states[1])
        optimizer.zero_grad()
        ((x @ w - y) ** 2).mean().backward()
        optimizer.step()
        scheduler.step()
    return w.detach()


STEPS = [{}, {"momentum": 0.9}, {"weight_decay": 0.2}, {"momentum": 0.9, "weight_decay": 0.2}]


@pytest.mark.parametrize("options", STEPS, ids=str)
def test_sgd_equals_that_of_torch(options):
    weights = torch.randn(3, 1).double()
    paths = []
    for sgd in (by_hand.SGD, torch.optim.SGD):
        torch.manual_seed(1)
        paths.append(descend(sgd, weights, **options))
    assert not torch.allclose(paths[0], weights)
    assert_same(paths[0], paths[1], within=1e-12)


def test_sgd_goes_on_from_its_state_dict():
    weights = torch.randn(3, 1).double()
    paths = []
    for stop in (None, 30):
        torch.manual_seed(1)
        paths.append(descend(by_hand.SGD, weights, stop, momentum=0.9, weight_decay=0.01))
    assert_same(paths[0], paths[1], within=0)


def test_sgd_calls_a_closure_and_leaves_weights_without_gradient():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = by_hand.SGD([used, unused], lr=0.5, weight_decay=0.1)

    def closure() -> Tensor:
        loss = used.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert_same(used.detach(), torch.full((2,), 1 - 0.5 * 1.1), within=1e-6)
    assert unused.tolist() == [1, 1]


@pytest.mark.parametrize("option", ["lr", "momentum", "weight_decay"])
def test_sgd_refuses_negative_options(option):
    with pytest.raises(UserError, match=f"^{option}=-1: a number that is not negative"):
        by_hand.SGD([torch.zeros(1)], **{option: -1})


def both_nets(dropout: float = 0.2) -> tuple[nn.Module, nn.Module]:
    sizes: dict[str, Any] = {"channels": [3, 4], "kernel_size": 5, "dropout": dropout}
    ours, theirs = by_hand.CNN((2, 9, 8), 3, **sizes), CNN((2, 9, 8), 3, **sizes, activation="ReLU")
    theirs.load_state_dict(ours.state_dict())
    return ours.double(), theirs.double()


def test_the_net_equals_its_twin_of_torch_nn():
    ours, theirs = both_nets()
    x = torch.randn(6, 2, 9, 8).double()
    assert_same(all_gradients(ours, x), all_gradients(theirs, x))
    assert_same(ours.eval()(x), theirs.eval()(x))


def test_a_training_by_hand_ends_with_the_weights_of_torchs():
    x, y = torch.randn(40, 2, 9, 8).double(), torch.randint(0, 3, (40,))
    nets = both_nets()
    for net, module, sgd in zip(nets, (by_hand, nn), (by_hand.SGD, torch.optim.SGD), strict=True):
        torch.manual_seed(1)  # the same dropout
        loss, optimizer = module.CrossEntropyLoss(), sgd(net.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
        for indices in list(torch.arange(40).split(8)) * 4:
            optimizer.zero_grad()
            loss(net(x[indices]), y[indices]).backward()
            optimizer.step()
    assert_same(dict(nets[0].state_dict()), dict(nets[1].state_dict()), within=1e-9)


def test_nothing_in_the_net_is_left_to_autograd():
    outputs = both_nets()[0](torch.randn(6, 2, 9, 8).double())
    loss = by_hand.CrossEntropyLoss()(outputs, torch.zeros(6).long())
    steps, names = [loss.grad_fn], set()
    for step in steps:
        names.add(step.name())
        steps += [earlier for earlier, _ in step.next_functions if earlier is not None]
    layers = ("Conv2d", "BatchNormTraining", "ReLU", "MaxPool2d", "Flatten", "Dropout", "Linear", "CrossEntropy")
    assert {name.split("::")[-1] for name in names} == {
        "AccumulateGrad",  # a parameter
        *(f"{layer}FunctionBackward" for layer in layers),
    }


def test_the_gradient_of_a_gradient_is_an_error():
    x = torch.ones(3, requires_grad=True)
    [slope] = torch.autograd.grad((by_hand.Sigmoid()(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_the_net_survives_a_file():
    before, after = both_nets()[0], both_nets()[0]
    x = torch.randn(6, 2, 9, 8).double()
    before(x)  # the running statistics are no longer the first ones
    torch.save(before.state_dict(), "net.pt")
    after.load_state_dict(torch.load("net.pt", weights_only=True))
    assert_same(before.eval()(x), after.eval()(x), within=0)


def test_mixed_precision_trains_the_net_in_the_dtype_of_its_weights():
    net, x = by_hand.CNN((1, 8, 8), 3, [4], kernel_size=3, dropout=0.2), torch.randn(6, 1, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = net(x.bfloat16())
        loss = by_hand.CrossEntropyLoss()(outputs, torch.zeros(6).long())
    loss.backward()
    assert outputs.dtype == loss.dtype == torch.float32
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())


def test_cross_entropy_of_coarse_outputs_is_summed_finely():
    outputs, target = torch.randn(6, 10).bfloat16().requires_grad_(), torch.zeros(6).long()
    loss = by_hand.CrossEntropyLoss()(outputs, target)
    loss.backward()
    assert_same(loss, nn.functional.cross_entropy(outputs.float(), target), within=1e-6)
    assert outputs.grad is not None
    assert outputs.grad.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("shape", "changes", "says"),
    [
        ((13,), {}, r"a CNN reads images \(channels, height, width\), but .* is \[13\]. Use a net that"),
        ((1, 8, 8), {"channels": [8, 8, 8, 8]}, "8 x 8 cannot be halved 4 times. Use fewer blocks."),
        ((1, 8, 8), {"channels": [0]}, r"^channels=\[0\]: a block needs at least 1 channel."),
        ((1, 8, 8), {"kernel_size": 4}, "^kernel_size=4: an odd number"),
        ((1, 8, 8), {"kernel_size": -1}, "^kernel_size=-1: an odd number"),
        ((1, 8, 8), {"dropout": 1.5}, "a dropout of 1.5 is no probability"),
    ],
)
def test_what_the_net_cannot_be_is_said(shape, changes, says):
    sizes: dict[str, Any] = {"channels": [8], "kernel_size": 3, "dropout": 0.2, **changes}
    with pytest.raises(UserError, match=says):
        by_hand.CNN(shape, 10, **sizes)


def test_the_net_by_hand_learns_the_digits(train):
    results = train("net=by_hand", "optimizer=sgd_by_hand", "optimizer.lr=0.05", "trainer.max_epochs=2")
    assert results["test/accuracy"] > 0.95


def test_nothing_needs_the_lesson_so_that_it_can_be_deleted():
    others = [path for path in Path(src.__path__[0]).rglob("*.py") if path.parent.name != "by_hand"]
    assert len(others) > 10
    imports = re.compile(r"^\s*(from|import) src\.by_hand", re.MULTILINE)
    assert [path for path in others if imports.search(path.read_text(encoding="utf-8"))] == []
