"""The classifiers' networks: shapes, and parameters counted by the formulas of their papers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gan_lab.classifier.densenet import DenseNetBC
from gan_lab.classifier.networks import ResNetClassifier
from gan_lab.errors import UserError
from gan_lab.types import DataSpec


def spec(channels=3, height=32, width=32, classes=10, kind="images"):
    shape = (channels, height, width) if kind == "images" else (2,)
    return DataSpec("made", kind, shape, classes, tuple(map(str, range(classes))))


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def densenet_parameters(depth, growth, compression, channels, classes):
    """Huang et al. 2017, DenseNet-BC with three blocks: conv3 to 2k; layers
    BN-conv1(4k)-BN-conv3(k); transitions."""
    width = 2 * growth
    total = channels * width * 9
    for block in range(3):
        for _ in range((depth - 4) // 6):
            total += 2 * width + width * 4 * growth + 2 * 4 * growth + 4 * growth * growth * 9
            width += growth
        if block < 2:
            narrower = math.floor(compression * width)
            total += 2 * width + width * narrower
            width = narrower
    return total + 2 * width + width * classes + classes


def test_densenet_bc_100_12_has_the_published_parameters():
    """0.8 M in Table 2 of the paper; 769,162 in the public implementations."""
    assert count(DenseNetBC(100, 12, 0.5).network(spec())) == 769_162
    assert densenet_parameters(100, 12, 0.5, 3, 10) == 769_162


@pytest.mark.parametrize(
    ("depth", "growth", "compression", "channels", "classes"),
    [(40, 40, 0.5, 3, 10), (40, 12, 1.0, 3, 100), (10, 3, 0.5, 1, 7), (22, 5, 0.37, 3, 2)],
)
def test_densenet_parameters(depth, growth, compression, channels, classes):
    made = DenseNetBC(depth, growth, compression).network(spec(channels, classes=classes))
    assert count(made) == densenet_parameters(depth, growth, compression, channels, classes)


def test_densenet_depth_counts_the_weighted_layers():
    """L counts convolutions and the linear layer."""
    for depth in (40, 100):
        made = DenseNetBC(depth, 4, 0.5).network(spec())
        assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in made.modules()) == depth


def test_the_preset_is_the_thesis_classifier():
    made = DenseNetBC()
    assert (made.depth, made.growth, made.compression) == (40, 40, 0.5)


def test_densenet_initialisation():
    """He: N(0, 2 / (k_h k_w out)); convolutions without bias; the linear layer's bias is 0."""
    torch.manual_seed(0)
    made = DenseNetBC(40, 12, 0.5).network(spec())
    for module in made.modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            values = module.weight
            n = values.numel()
            expected = (2 / (values.shape[0] * values.shape[2] * values.shape[3])) ** 0.5
            assert values.std().item() == pytest.approx(expected, rel=5 / (2 * n) ** 0.5)
            assert abs(values.mean().item()) < 5 * expected / n**0.5
    assert not made.output.bias.any()


def resnet_parameters(width, channels, side, classes):
    """18 C biases of the whitening; for each halving conv3 to 2, 4, 8, 8, ... width, two conv3;
    linear.

    BN after each convolution but the first. The halving conv3 of an even side has a bias.
    """

    def conv(inside, outside):
        return 9 * inside * outside + 2 * outside

    last, wider = 18 * channels, 2 * width
    total = last
    while side >= 8:
        total += conv(last, wider) + (wider if side % 2 == 0 else 0) + 2 * conv(wider, wider)
        last, wider, side = wider, min(2 * wider, 8 * width), -(-side // 2)
    return total + last * classes + classes, last


@pytest.mark.parametrize(
    ("width", "channels", "side", "classes"),
    [(32, 3, 32, 10), (32, 1, 8, 10), (4, 3, 64, 200), (3, 1, 28, 10), (5, 3, 18, 4)],
)
def test_resnet(width, channels, side, classes):
    made = ResNetClassifier(width).network(spec(channels, side, side, classes))
    parameters, features = resnet_parameters(width, channels, side, classes)
    assert count(made) == parameters
    assert made.num_features == features
    x = torch.randn(3, channels, side, side)
    assert made.features(x).shape == (3, features)
    assert made(x).shape == (3, classes)


def test_resnet_as_documented():
    made = ResNetClassifier(32).network(spec())
    assert f"{count(made):,} parameters, {made.num_features} features" in ResNetClassifier.__doc__


@pytest.mark.parametrize("side", [9, 10, 33, 45, 50])
def test_resnet_learns_convolutions_at_every_size(side):
    """A folder's images may have any side; a linear layer on fixed features is no classifier for
    scores."""
    made = ResNetClassifier(4).network(spec(3, side, side, 10))
    assert any(isinstance(module, nn.Conv2d) for module in made.modules())


@pytest.mark.parametrize("channels", [1, 3])
def test_whitening_by_its_definition(channels):
    """Over 3×3 patches the outputs have second moments diag(λ / (λ + 0.01)), λ those of the
    patches; then negated."""
    made = ResNetClassifier(2).network(spec(channels, 8, 8))
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(60, channels, 8, 8, generator=rng).cumsum(3) / 3
    made.fit_statistics(images)
    [kernel] = [value for name, value in made.named_buffers() if name.endswith("kernel")]
    patches = torch.nn.functional.unfold(images.double(), 3).transpose(1, 2).flatten(0, 1)
    moment = patches.T @ patches / len(patches)
    rows = kernel.double().flatten(1)
    half = 9 * channels
    assert kernel.shape == (2 * half, channels, 3, 3)
    assert torch.equal(rows[half:], -rows[:half])
    values = torch.linalg.eigvalsh(moment)
    expected = torch.diag(values / (values + 0.01))
    torch.testing.assert_close(rows[:half] @ moment @ rows[:half].T, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("recipe", [ResNetClassifier(4), DenseNetBC(10, 4)], ids=str)
@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 24), (32, 32), (9, 12)])
def test_logits_are_linear_in_the_features(recipe, height, width):
    made = recipe.network(spec(1, height, width, 3)).eval()
    x = torch.randn(5, 1, height, width)
    with torch.no_grad():
        features = made.features(x)
        expected = features @ made.output.weight.T + made.output.bias
        torch.testing.assert_close(made(x), expected)
    assert features.shape == (5, made.num_features)
    assert made.output.in_features == made.num_features


@pytest.mark.parametrize("recipe", [ResNetClassifier(4), DenseNetBC(10, 4)], ids=str)
def test_every_parameter_learns_and_the_seed_decides(recipe):
    torch.manual_seed(1)
    made = recipe.network(spec(3, 8, 8, 4))
    torch.manual_seed(1)
    again = recipe.network(spec(3, 8, 8, 4))
    assert all(
        torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True)
    )
    made.fit_statistics(torch.randn(20, 3, 8, 8))
    made(torch.randn(6, 3, 8, 8)).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ResNetClassifier(0), ["width=0"]),
        (lambda: ResNetClassifier(2.5), ["width=2.5"]),
        (lambda: DenseNetBC(depth=41), ["depth=41", "40"]),
        (lambda: DenseNetBC(depth=4), ["depth=4"]),
        (lambda: DenseNetBC(growth=0), ["growth=0"]),
        (lambda: DenseNetBC(compression=0), ["compression=0"]),
        (lambda: DenseNetBC(compression=1.5), ["compression=1.5"]),
        (
            lambda: ResNetClassifier().network(spec(kind="points")),
            ["points", "choose another data set"],
        ),
        (lambda: DenseNetBC().network(spec(kind="points")), ["points", "choose another data set"]),
    ],
)
def test_refusals(make, words):
    with pytest.raises(UserError) as refused:
        make()
    for word in words:
        assert word in str(refused.value)
