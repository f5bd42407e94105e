"""The option files of conf/architecture, and the contract for every option."""

from __future__ import annotations

import dataclasses
import importlib
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

import gan_lab.architectures
from gan_lab.architectures import MLP, Growing, ResNet
from gan_lab.config import signature
from gan_lab.errors import UserError
from gan_lab.types import DataSpec
from helpers.registry import CONF, defaults, fields, instantiate, node, options, target
from helpers.table_2_3 import count, images, points

ALL = options("architecture")
SMALL = {"channels": 6, "generator_channels": 3, "critic_channels": 3, "width": 24, "latent_dim": 5}
PLAIN = {
    "extra_layer": False,
    "critic_batch_norm": False,
    "noise": 0.0,
    "dropout": 0.0,
}  # each score of its sample
SPECS = {"images": [images(1, 8), images(3, 16), images(3, 32)], "points": [points(2), points(5)]}


def accepts(option: str) -> list[str]:
    return OmegaConf.load(CONF / "architecture" / f"{option}.yaml").traits.kinds


def small(option: str, **overrides: Any) -> Any:
    """The option with few units, nothing random, and a critic that looks at one sample at a
    time."""
    settings = {
        name: value
        for name, value in (SMALL | PLAIN).items()
        if name in fields("architecture", option)
    }
    return instantiate("architecture", option, **settings | overrides)


POINT = "dirac"
"""Its generator has no input and no random start, its critic no bias: test_dirac.py."""
ACCEPTED = [
    (option, spec)
    for option in ALL
    if option != POINT
    for kind in accepts(option)
    for spec in SPECS[kind]
]
ON_IMAGES = [(option, spec) for option, spec in ACCEPTED if spec.kind == "images"]


def samples(spec: DataSpec, n: int = 4, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(n, *spec.shape, generator=torch.Generator().manual_seed(2), dtype=dtype)


def latents(architecture: Any, n: int = 4, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(
        n, architecture.latent_dim, generator=torch.Generator().manual_seed(3), dtype=dtype
    )


def networks(
    option: str, spec: DataSpec, dtype: torch.dtype = torch.float32
) -> Iterator[tuple[nn.Module, Tensor]]:
    """The generator with latents and the critic with samples."""
    torch.manual_seed(0)
    architecture = small(option)
    for network, inputs in (
        (architecture.generator(spec), latents(architecture, dtype=dtype)),
        (architecture.critic(spec, 3), samples(spec, dtype=dtype)),
    ):
        for name, parameter in network.named_parameters():
            if name.endswith("gamma"):  # a gate that begins closed
                nn.init.constant_(parameter, 0.5)
        yield network.to(dtype), inputs


def test_names_other_programs_rely_on_are_options():
    assert set(ALL) >= {"resnet", "mlp"}


@pytest.mark.parametrize("option", ALL)
def test_an_option_file_is_the_fields_of_its_class_and_what_it_accepts(option):
    """Values are the class's defaults, except where the data decides."""
    kind = target("architecture", option)
    names = [item.name for item in dataclasses.fields(kind)]
    content = OmegaConf.to_container(OmegaConf.load(CONF / "architecture" / f"{option}.yaml"))
    assert set(content) - {"stable"} == {"_target_", "traits", *names}
    assert (
        set(fields("architecture", option)) == set(names) == set(defaults("architecture", option))
    )
    assert signature.parameters(node("architecture", option)["_target_"]) == set(names)
    for name, value in fields("architecture", option).items():
        from_another = str(value).startswith(("${dataset.recipe.", "${labels.recipe."))
        assert value == defaults("architecture", option)[name] or from_another
    assert set(accepts(option)) <= set(SPECS)
    assert accepts(option)
    assert len((CONF / "architecture" / f"{option}.yaml").read_text().splitlines()) < 12


@pytest.mark.parametrize("option", ALL)
def test_the_trait_that_the_checks_of_a_config_read_is_whether_the_critic_has_batch_norm(option):
    """By the fields as the option file sets them, and with the plain ones of `small`."""
    traits = OmegaConf.load(CONF / "architecture" / f"{option}.yaml").traits
    plain = PLAIN.keys() & fields("architecture", option).keys()
    spec = SPECS[accepts(option)[0]][0]
    as_set = {name: fields("architecture", option)[name] for name in plain - {"extra_layer"}}
    for critic, declared in (
        (small(option, **as_set).critic(spec, 1), traits.get("batch_norm", False)),
        (small(option).critic(spec, 1), False),
    ):
        found = any(isinstance(layer, _BatchNorm) for layer in critic.modules())
        assert found == declared


def test_every_exported_architecture_is_an_option():
    exported = [getattr(gan_lab.architectures, name) for name in gan_lab.architectures.__all__]
    architectures = {item for item in exported if dataclasses.is_dataclass(item)}
    targets = {target("architecture", option) for option in ALL}
    assert architectures <= targets  # an option's target may name its module instead
    assert len(targets) == len(ALL)


def test_every_kind_of_data_has_an_architecture():
    assert {kind for option in ALL for kind in accepts(option)} == set(SPECS)


@pytest.mark.parametrize("option", ALL)
def test_what_an_option_does_not_accept_it_refuses(option):
    for kind in set(SPECS) - set(accepts(option)):
        for spec in SPECS[kind]:
            for call in (
                lambda spec=spec: small(option).generator(spec),
                lambda spec=spec: small(option).critic(spec, 1),
            ):
                with pytest.raises(UserError, match="use architecture=") as error:
                    call()
                assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", ALL)
def test_an_architecture_is_a_frozen_value(option):
    made = small(option)
    assert dataclasses.is_dataclass(made)
    assert pickle.loads(pickle.dumps(made)) == made == small(option)
    assert made != small(option, latent_dim=6)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.latent_dim = 3
    with pytest.raises(TypeError, match="chanels"):
        small(option, chanels=7)


SIZES = [
    (option, name)
    for option in ALL
    for name, v in fields("architecture", option).items()
    if name in SMALL or type(v) is int
]


@pytest.mark.parametrize(("option", "field"), SIZES)
@pytest.mark.parametrize("value", [0, 8.0])
def test_a_size_that_is_no_positive_whole_number_is_refused(option, field, value):
    """`checks.whole(name, value, at_least=1)` in __post_init__ does so."""
    with pytest.raises(UserError, match=rf"^{field}={value}: use a whole number of at least 1$"):
        small(option, **{field: value})


@pytest.mark.parametrize(("option", "field"), SIZES)
def test_size_one_works(option, field):
    architecture = small(option, **{field: 1})
    spec = SPECS[accepts(option)[0]][0]
    assert architecture.critic(spec, 1)(
        architecture.generator(spec)(latents(architecture))
    ).shape == (4, 1)


@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_shapes_and_ranges(option, spec):
    """z -> (n, *shape), images in [-1, 1] however large z is and using the range; samples -> (n,
    outputs)."""
    torch.manual_seed(0)
    architecture = small(option)
    generator = architecture.generator(spec)
    for training in (True, False):
        fake = generator.train(training)(latents(architecture))
        assert fake.shape == (4, *spec.shape)
        extreme = generator(1e4 * latents(architecture))
        if spec.kind == "images":
            assert extreme.abs().max() <= 1
            assert fake.min() < 0 < fake.max()
        else:
            assert extreme.abs().max() > 10
    for outputs in (1, 10, 201):
        scores = architecture.critic(spec, outputs)(samples(spec))
        assert scores.shape == (4, outputs)
    critic = architecture.critic(spec, 1)
    assert (
        critic(1e6 * samples(spec)).abs().max() > 10
    )  # unbounded; weight norm begins with small weights
    assert critic(samples(spec, n=1)).shape == (1, 1)


@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_different_inputs_have_different_outputs(option, spec):
    for module, x in networks(option, spec):
        output = module(x)
        assert len({row.detach().numpy().tobytes() for row in output}) == len(x)


@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_seeds_determine_networks(option, spec):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        architecture = small(option)
        states.append(
            [architecture.generator(spec).state_dict(), architecture.critic(spec, 1).state_dict()]
        )
    for i in range(2):
        assert all(torch.equal(value, states[1][i][name]) for name, value in states[0][i].items())
        assert any(
            not torch.equal(value, states[2][i][name]) for name, value in states[0][i].items()
        )


@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_every_parameter_matters(option, spec):
    """A gradient reaches every one, except for biases that a batch norm takes away again."""
    for module, x in networks(option, spec, torch.float64):
        # networks that grow use some layers in some phases alone
        phases = range(2 * module.doublings + 1) if isinstance(module, Growing) else [None]
        for phase in phases:
            if phase is not None:
                module.grow(phase * module.phase_steps)
            output = module(x)
            (output * torch.randn_like(output)).sum().backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None
            assert parameter.requires_grad
            if not (
                name.endswith("bias")
                and any(isinstance(m, nn.BatchNorm2d) for m in module.modules())
            ):
                assert parameter.grad.abs().max() > 0, name


@pytest.mark.thorough
@pytest.mark.parametrize(("option", "spec"), ON_IMAGES)
def test_channels_last_and_contiguous_agree(option, spec):
    """training/build.py moves the networks to channels_last. Outputs, gradients and gradients of
    gradients."""
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        found = []
        for module, x in networks(option, spec, torch.float64):
            module.to(memory_format=layout)
            x = (x.to(memory_format=layout) if x.dim() == 4 else x).requires_grad_()
            output = module(x)
            loss = (
                output
                * torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view(output.shape)
            ).sum()
            first = torch.autograd.grad(
                loss,
                [x, *module.parameters()],
                create_graph=True,
                allow_unused=isinstance(module, Growing),
                materialize_grads=isinstance(module, Growing),
            )
            second = torch.autograd.grad(
                first[0].pow(2).sum(),
                list(module.parameters()),
                allow_unused=True,
                materialize_grads=True,
            )
            found += [[output], first, second]
        results.append(found)
    for one, other in zip(*results, strict=True):
        scale = max(t.abs().max().item() for t in one)
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-11 * scale)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("option", "spec"), [(option, spec) for option, spec in ACCEPTED if spec.size <= 64]
)
def test_the_critic_has_exact_second_derivatives(option, spec):
    """By all of input, weights and biases, against finite differences of the first: what gradient
    penalties need.

    Tiny, because a ReLU whose input is within the difference's 1e-6 of 0 fails it: likely among
    thousands of units.
    """
    tiny = {"channels": 2, "width": 3, "depth": 2}
    architecture = small(
        option, **{k: v for k, v in tiny.items() if k in fields("architecture", option)}
    )
    torch.manual_seed(4)
    critic = architecture.critic(spec, 1).double()
    names = [name for name, _ in critic.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in critic.parameters()]
    x = samples(spec, n=2, dtype=torch.float64).requires_grad_()

    def scores(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(critic, dict(zip(names, values, strict=True)), (x,))

    def gradient(x: Tensor, *values: Tensor) -> Tensor:
        return torch.autograd.grad(scores(x, *values).sum(), x, create_graph=True)[0]

    if any(parametrize.is_parametrized(module) for module in critic.modules()):
        # torch 2.15's fused weight norm takes ||v|| for constant when it is differentiated by v
        # twice; penalties do not
        assert torch.autograd.gradcheck(gradient, (x, *values), fast_mode=True)
    else:
        assert torch.autograd.gradgradcheck(scores, (x, *values), fast_mode=True)


@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_bf16_autocast(option, spec):
    """Forward and backward run; the weights and their gradients stay float32; outputs are those of
    float32 to bf16.

    The deepest path has 14 layers; each rounds what goes in, its weights and what comes out, by
    2^-9 of the scale. (Pixel norm divides by a pixel's own length, which may be near 0: the median
    then.)
    """
    for module, x in networks(option, spec):
        exact = module(x).detach()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = module(x)
        output.float().pow(2).sum().backward()
        assert output.shape == exact.shape
        error = (output.float() - exact).abs()
        error = error.median() if isinstance(module, Growing) else error.max()
        assert error < 14 * 3 * 2.0**-9 * exact.abs().max()
        for parameter in module.parameters():
            if isinstance(module, Growing) and parameter.grad is None:
                continue  # of another phase
            assert parameter.dtype == parameter.grad.dtype == torch.float32
            assert torch.isfinite(parameter.grad).all()


@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_a_gradient_penalty_under_bf16_autocast(option, spec):
    *_, (critic, x) = networks(option, spec)
    x.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=False):
        (gradient,) = torch.autograd.grad(critic(x).float().sum(), x, create_graph=True)
        gradient.float().pow(2).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in critic.parameters() if p.grad is not None)
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in critic.parameters())


@pytest.mark.thorough
@pytest.mark.parametrize(("option", "spec"), ACCEPTED)
def test_spectral_norm_works_on_the_critic(option, spec):
    """penalty=spectral: every weight matrix gets norm 1, the score and its second derivative still
    exist."""
    *_, (critic, x) = networks(option, spec, torch.float64)
    if any(
        parametrize.is_parametrized(module) for module in critic.modules()
    ):  # a norm of its own, weight norm
        with pytest.raises(UserError, match="weight or spectral norm"):
            instantiate("penalty", "spectral").wrap(critic)
        return
    before, plain = count(critic), critic(x).detach()
    critic = instantiate("penalty", "spectral", n_power_iterations=50).wrap(critic)
    assert count(critic) == before
    for _ in range(4):
        critic(x)
    layers = [module for module in critic.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert layers
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, rel=0, abs=0.01)
    assert not torch.allclose(critic(x), plain)
    *_, (same, _) = networks(option, spec, torch.float64)
    effective = {name: module for name, module in critic.named_modules() if module in layers}
    same.load_state_dict(
        {
            f"{name}.{key}": getattr(m, key)
            / (m.scale if key == "weight" and hasattr(m, "scale") else 1)  # equalised: not under it
            for name, m in effective.items()
            for key in ("weight", "bias")
            if getattr(m, key) is not None
        },
        strict=False,  # what is not normalised is the same already
    )
    torch.testing.assert_close(critic.eval()(x), same(x), rtol=0, atol=1e-12)
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    gradient.pow(2).sum().backward()
    gradients = [layer.parametrizations.weight.original.grad for layer in layers]
    assert isinstance(critic, Growing) or all(one is not None for one in gradients)
    assert all(torch.isfinite(one).all() for one in gradients if one is not None)


REFUSED = [
    (3, 12, 12),
    (1, 28, 28),
    (3, 4, 4),
    (3, 2, 2),
    (1, 1, 1),
    (3, 16, 32),
    (3, 32, 8),
    (3, 24, 24),
    (28, 28),
]


@pytest.mark.parametrize("shape", REFUSED)
def test_sizes_that_the_resnet_refuses(shape):
    """In one line that names the data set, its shape, what fits and what to take instead."""
    spec = DataSpec("my-folder", "images", shape, 1, ("all",))
    for call in (ResNet().generator, lambda spec: ResNet().critic(spec, 1)):
        with pytest.raises(UserError) as error:
            call(spec)
        message = str(error.value)
        assert "\n" not in message
        for part in (
            "architecture=resnet",
            "8, 16, 32",
            "my-folder",
            "×".join(map(str, shape)),
            "use architecture=mlp",
        ):
            assert part in message


def test_points_that_the_resnet_refuses():
    """Also points whose shape looks like an image's."""
    for shape in ((2,), (3, 32, 32)):
        with pytest.raises(UserError, match=r"has points of shape .*: use architecture=mlp$"):
            ResNet().generator(DataSpec("rings", "points", shape, 1, ("all",)))


def test_the_remedy_works():
    for shape in REFUSED:
        spec = DataSpec("my-folder", "images", shape, 1, ("all",))
        architecture = MLP(width=4)
        assert architecture.critic(spec, 1)(
            architecture.generator(spec)(torch.randn(3, 128))
        ).shape == (3, 1)


@pytest.mark.parametrize("side", [8, 16, 32, 64, 128, 256])
def test_sizes_that_the_resnet_takes(side):
    with torch.device("meta"):
        architecture, spec = ResNet(channels=2), images(3, side)
        fake = architecture.generator(spec)(torch.randn(2, 128))
        assert fake.shape == (2, 3, side, side)
        assert architecture.critic(spec, 1)(fake).shape == (2, 1)


def test_the_example_of_the_page_is_an_architecture(tmp_path, monkeypatch):
    """That of docs/extending.md."""
    page = (CONF.parent / "docs" / "extending.md").read_text()
    (code,) = re.findall(
        r"```python\n(# src/gan_lab/architectures/mine\.py\n.*?)```", page, re.DOTALL
    )
    (tmp_path / "architecture_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("architecture_of_the_page").Mine(latent_dim=3, width=5)
    samples = made.generator(images(2, 8), conditions=4)(torch.randn(6, 7))
    assert samples.shape == (6, 2, 8, 8)
    assert samples.abs().max() < 1
    assert made.critic(images(2, 8), 2)(samples).shape == (6, 2)
    with pytest.raises(UserError, match="width=0: use a whole number of at least 1"):
        type(made)(width=0)
