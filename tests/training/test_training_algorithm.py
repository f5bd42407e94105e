"""GAN.training_step against Algorithm 1 written out by hand, and what must not change a run."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from gan_lab import build
from gan_lab.data import load
from gan_lab.data.digits import Digits
from gan_lab.data.resident import ResidentData, ResidentLoader
from gan_lab.training import GAN, TrainingSettings
from gan_lab.training.randomness import fold, generator_for
from gan_lab.types import DataSpec
from helpers.gan_runs import compose, train, weights

STEPS, N_CRITIC, BATCH, GENERATOR_BATCH = 3, 2, 6, 10
SMALLER = ["architecture.channels=4", "architecture.latent_dim=5", f"max_generator_steps={STEPS}",
           f"n_critic={N_CRITIC}", f"batch_size={BATCH}", f"generator_batch_size={GENERATOR_BATCH}",
           "optimizer.lr=0.01", "ema_decay=0.9", "seed=3"]  # fmt: skip
DIGITS = DataSpec("digits", "images", (1, 8, 8), 10, tuple("0123456789"))


class Trainer:
    """As much of Lightning's Trainer as the module asks for."""

    def __init__(self, optimizers):
        self.optimizers = optimizers


def made(*overrides, spec=DIGITS, double=True) -> GAN:
    gan = build.gan(compose(*SMALLER, *overrides), spec)
    return ready(gan.double() if double else gan)


def ready(gan: GAN) -> GAN:
    """The GAN in training mode with its optimizers, without a Trainer."""
    object.__setattr__(
        gan, "stand_in", Trainer(gan.configure_optimizers())
    )  # the module itself holds it weakly
    gan.trainer = gan.stand_in
    gan.train()
    return gan


def batches(spec=DIGITS, dtype=torch.float64, seed=0):
    draw = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        real = torch.rand(N_CRITIC, BATCH, *spec.shape, generator=draw, dtype=torch.float64) * 2 - 1
        yield real.to(dtype), torch.randint(0, spec.num_classes, (N_CRITIC, BATCH), generator=draw)


def norms_by_hand(f, x):
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return g.flatten(1).norm(dim=1)


LOSSES = {  # critic, generator
    "exp": (lambda r, f: (f.exp() + (-r).exp()).mean(), lambda f, r: -f.mean()),
    "wasserstein": (lambda r, f: (f - r).mean(), lambda f, r: -f.mean()),
    "nonsaturating": (
        lambda r, f: nn.functional.softplus(f).mean() + nn.functional.softplus(-r).mean(),
        lambda f, r: nn.functional.softplus(-f).mean(),
    ),
    "relativistic": (  # 10 fake and 6 real samples in the generator's step: 30 pairs
        lambda r, f: nn.functional.softplus(f - r).mean(),
        lambda f, r: nn.functional.softplus(r.repeat_interleave(5) - f.repeat_interleave(3)).mean(),
    ),
}


def set_statistics(generator, moving: bool) -> None:
    """Whether batch norm's running statistics move: by hand, through torch's own switch."""
    for layer in generator.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.01 if moving else 0.0


def algorithm_1(
    generator, critic, loss, penalty, data, rates, betas=(0.0, 0.9), dtype=torch.float64
):
    """Trains both in place; returns the state of the average. Written out, from the thesis, with
    torch's Adam."""
    j_critic, j_generator = LOSSES[loss]
    adam_g = torch.optim.Adam(generator.parameters(), lr=0.0, betas=betas)
    adam_d = torch.optim.Adam(critic.parameters(), lr=0.0, betas=betas)
    average = {name: value.clone() for name, value in generator.state_dict().items()}
    names = {name for name, _ in generator.named_parameters()}
    for t, (real, _) in enumerate(data):
        factor = 1 - t / STEPS
        adam_g.param_groups[0]["lr"], adam_d.param_groups[0]["lr"] = (
            rates[0] * factor,
            rates[1] * factor,
        )
        rng = generator_for(3, "step", t)
        for i in range(N_CRITIC):
            z = torch.randn(BATCH, 5, generator=rng)
            counters = {
                k: v.clone() for k, v in generator.state_dict().items() if "num_batches" in k
            }
            set_statistics(generator, False)
            with torch.no_grad():
                fake = generator(z.to(dtype))
            set_statistics(generator, True)
            generator.load_state_dict({**generator.state_dict(), **counters})
            both = critic(torch.cat([real[i], fake]))
            value = j_critic(both[:BATCH, 0], both[BATCH:, 0])
            if penalty == "maxgp":
                u = torch.rand(BATCH, *[1] * (real.ndim - 2), generator=rng, dtype=dtype)
                value = (
                    value
                    + norms_by_hand(lambda x: critic(x)[:, 0], u * real[i] + (1 - u) * fake).max()
                    ** 2
                )
            for p in critic.parameters():
                p.grad = None
            value.backward()
            adam_d.step()
        for p in [*generator.parameters(), *critic.parameters()]:
            p.grad = None
        z = torch.randn(GENERATOR_BATCH, 5, generator=rng)
        fake_logits = critic(generator(z.to(dtype)))[:, 0]
        with torch.no_grad():  # another pass would move spectral norm's vectors
            real_logits = critic(real[-1])[:, 0] if loss == "relativistic" else None
        j_generator(fake_logits, real_logits).backward()
        adam_g.step()
        for name, value in generator.state_dict().items():
            average[name] = 0.9 * average[name] + 0.1 * value if name in names else value.clone()
    return average


def draws_are_doubles(gan):
    """The module draws in torch's default type; in double precision the networks take its noise as
    it is."""
    latent = gan.latent
    gan.latent = lambda size, rng: (latent(size, rng)[0].double(), None)
    return gan


@pytest.mark.parametrize("critic_rate", [None, 0.03], ids=["one rate", "two rates"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("penalty", ["none", "maxgp", "spectral"])
def test_training_step_is_algorithm_1(loss, penalty, critic_rate):
    rates = [] if critic_rate is None else [f"optimizer_critic.lr={critic_rate}"]
    gan = draws_are_doubles(made(f"loss={loss}", f"penalty={penalty}", "log_every=1000", *rates))
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    if penalty == "maxgp":
        gan.penalty.weight = 1.0
    average = algorithm_1(generator, critic, loss, penalty, batches(), (0.01, critic_rate or 0.01))
    for i, batch in enumerate(batches()):
        gan.training_step(batch, i)
    assert (gan.generator_steps, gan.critic_steps) == (STEPS, STEPS * N_CRITIC)
    for mine, by_hand in ((gan.generator, generator), (gan.critic, critic)):
        for name, value in by_hand.state_dict().items():
            torch.testing.assert_close(
                mine.state_dict()[name],
                value,
                rtol=1e-9,
                atol=1e-8,
                msg=lambda m, n=name: f"{n}: {m}",
            )
    for name, value in average.items():
        torch.testing.assert_close(gan.ema.average.state_dict()[name], value, rtol=1e-9, atol=1e-8)


def moved_by_adam(theta, gradient, moments, rate):
    """θ - rate · d with the moments of Kingma and Ba, betas (0, 0.9), which take in the gradient."""
    moments["t"] = moments.get("t", 0) + 1
    moments["v"] = 0.9 * moments.get("v", 0.0) + 0.1 * gradient**2
    return theta - rate * gradient / ((moments["v"] / (1 - 0.9 ** moments["t"])).sqrt() + 1e-8)


def test_extra_adam_takes_second_gradients_where_both_players_look():
    """Algorithm 1 by extragradient, by hand: the first critic step is the critic's own; the second
    and the generator's are one, and both gradients at the look-ahead point see the other one there.
    """
    gan = draws_are_doubles(made("optimizer=extra_adam", "penalty=none", "schedule=constant"))
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    networks = {
        network: (list(network.parameters()), [{} for _ in network.parameters()])
        for network in (generator, critic)
    }
    j_critic, j_generator = LOSSES["exp"]

    def critic_gradient(real, z):
        set_statistics(generator, False)
        with torch.no_grad():
            fake = generator(z.double())
        both = critic(torch.cat([real, fake]))[:, 0]
        return torch.autograd.grad(j_critic(both[:BATCH], both[BATCH:]), networks[critic][0])

    def generator_gradient(z, moving):
        set_statistics(generator, moving)
        value = j_generator(critic(generator(z.double()))[:, 0], None)
        return torch.autograd.grad(value, networks[generator][0])

    def move(network, origins, gradients):
        parameters, moments = networks[network]
        with torch.no_grad():
            for values in zip(parameters, origins, gradients, moments, strict=True):
                values[0].copy_(moved_by_adam(*values[1:], 0.01))

    def now(network):
        return [parameter.detach().clone() for parameter in networks[network][0]]

    for t, (real, _) in enumerate(batches()):
        rng = generator_for(3, "step", t)
        fakes = [torch.randn(BATCH, 5, generator=rng) for _ in range(N_CRITIC)]
        z = torch.randn(GENERATOR_BATCH, 5, generator=rng)

        # the critic alone
        origin = now(critic)
        for _ in range(2):
            move(critic, origin, critic_gradient(real[0], fakes[0]))

        # both at once
        origins = {network: now(network) for network in networks}
        for half in range(2):
            gradients = {
                critic: critic_gradient(real[1], fakes[1]),
                generator: generator_gradient(z, half == 1),
            }
            for network in networks:
                move(network, origins[network], gradients[network])

    for i, batch in enumerate(batches()):
        gan.training_step(batch, i)
    for mine, by_hand in ((gan.generator, generator), (gan.critic, critic)):
        for name, value in by_hand.state_dict().items():
            if "num_batches" not in name:
                torch.testing.assert_close(mine.state_dict()[name], value, rtol=1e-9, atol=1e-8)


def state_after_training(gan, network=None):
    """A copy of the state after the batches, of one network or of everything."""
    for i, batch in enumerate(batches()):
        gan.training_step(batch, i)
    return {name: value.clone() for name, value in (network or gan).state_dict().items()}


@pytest.mark.parametrize(
    ("parts", "rate"),
    [  # of the critic; 0: what moves depends on how often alone, not on who moves first
        (["penalty=spectral"], 0),
        (["penalty=maxgp", "penalty.memory=4"], 0.01),
        (["penalty=none", "loss=fisher", "loss.rho=0.1"], 0.01),
        (["penalty=clip"], 0.01),
    ],
    ids=["spectral vectors", "S_max", "multiplier", "clip"],
)
def test_a_critic_by_adam_beside_extra_adam_is_as_beside_adam(parts, rate):
    """A generator whose rate is 0 looks ahead to where it is. Each critic step is then one of Adam,
    and everything that moves with a critic's pass or gradient moves once a step."""
    rates = ["optimizer.lr=0", f"optimizer_critic.lr={rate}"]
    usual = state_after_training(draws_are_doubles(made(*parts, *rates)))
    gan = draws_are_doubles(
        made(*parts, "optimizer=extra_adam", "optimizer@optimizer_critic=adam", *rates)
    )
    mixed = state_after_training(gan)
    for name, value in usual.items():
        torch.testing.assert_close(mixed[name], value, msg=lambda m, n=name: f"{n}: {m}")


def test_a_generator_by_adam_beside_extra_adam_is_as_beside_adam():
    """The same of a generator beside a critic that stays: with its batch norm's statistics."""
    rates = ["penalty=none", "optimizer.lr=0.01", "optimizer_critic.lr=0"]
    gan = draws_are_doubles(made(*rates))
    usual = state_after_training(gan, gan.generator)
    gan = draws_are_doubles(made("optimizer=adam", "optimizer@optimizer_critic=extra_adam", *rates))
    mixed = state_after_training(gan, gan.generator)
    for name, value in usual.items():
        torch.testing.assert_close(mixed[name], value, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize(
    ("of_generator", "of_critic", "gradients"),
    [  # of the critic and of the generator, in one iteration of two critic steps
        ("extra_adam", "extra_adam", (4, 2)),
        ("extra_adam", "adam", (2, 2)),
        ("adam", "extra_adam", (4, 1)),
        ("adam", "adam", (2, 1)),
    ],
)
def test_only_who_looks_ahead_takes_two_gradients_a_step(of_generator, of_critic, gradients):
    gan = draws_are_doubles(
        made(f"optimizer={of_generator}", f"optimizer@optimizer_critic={of_critic}")
    )
    taken = []
    differentiate = gan._differentiate
    gan._differentiate = lambda loss, module: (taken.append(module), differentiate(loss, module))
    gan.training_step(next(batches()), 0)
    counts = tuple(sum(one is network for one in taken) for network in (gan.critic, gan.generator))
    assert counts == gradients


def test_the_critic_step_leaves_the_generator_alone_and_the_reverse():
    """By observation at the optimizers: who has a gradient, what has changed, when running
    statistics move."""
    gan = draws_are_doubles(made())
    generator_optimizer, critic_optimizer = gan.stand_in.optimizers
    seen = []

    def snapshot(module):
        return [value.clone() for value in module.state_dict().values()]

    def same(before, module):
        return all(
            torch.equal(a, b) for a, b in zip(before, module.state_dict().values(), strict=True)
        )

    state = {"generator": snapshot(gan.generator), "critic": snapshot(gan.critic)}

    def before_critic(*_):
        assert same(
            state["generator"], gan.generator
        )  # weights and running statistics: fakes moved nothing
        assert all(p.grad is not None for p in gan.critic.parameters())
        seen.append("critic")

    def after_critic(*_):
        assert not same(state["critic"], gan.critic)
        state["critic"] = snapshot(gan.critic)
        state["critic grad"] = [p.grad.clone() for p in gan.critic.parameters()]

    def before_generator(*_):
        assert same(state["critic"], gan.critic)
        now = [p.grad for p in gan.critic.parameters()]
        assert all(
            torch.equal(a, b) for a, b in zip(now, state["critic grad"], strict=True)
        )  # nothing was added
        buffers = dict(gan.generator.named_buffers())
        moved = [v for k, v in buffers.items() if k.endswith("num_batches_tracked")]
        assert moved
        assert all(int(v) == gan.generator_steps + 1 for v in moved)
        seen.append("generator")

    def after_generator(*_):
        state["generator"] = snapshot(gan.generator)

    critic_optimizer.register_step_pre_hook(before_critic)
    critic_optimizer.register_step_post_hook(after_critic)
    generator_optimizer.register_step_pre_hook(before_generator)
    generator_optimizer.register_step_post_hook(after_generator)
    for i, batch in enumerate(batches()):
        gan.training_step(batch, i)
    assert seen == (["critic"] * N_CRITIC + ["generator"]) * STEPS


def test_ema_by_hand():
    """0.99 towards the parameters, buffers copied, always in eval mode and without gradient."""
    from gan_lab.training import ExponentialMovingAverage

    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = ExponentialMovingAverage(module, 0.99)
    start = {name: value.clone() for name, value in module.named_parameters()}
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1.0)
    module[1].running_mean.fill_(7.0)
    ema.update(module)
    ema.update(module)
    for name, value in ema.average.named_parameters():
        torch.testing.assert_close(value, 0.99**2 * start[name] + (1 - 0.99**2) * (start[name] + 1))
        assert not value.requires_grad
    assert ema.average[1].running_mean.tolist() == [7.0, 7.0]
    ema.train()
    assert not any(m.training for m in ema.modules())


@pytest.mark.parametrize(
    ("overrides", "generator", "critic"),
    [
        (["optimizer.lr=1"], {"lr": 1.0}, {"lr": 1.0}),
        (["optimizer_critic.lr=4e-4"], {"lr": 2e-3}, {"lr": 4e-4, "betas": (0.0, 0.9)}),
        (
            ["optimizer=rmsprop", "optimizer_critic.alpha=0.5"],
            {"alpha": 0.99},
            {"alpha": 0.5, "lr": 5e-5},
        ),
        (
            ["optimizer.lr=1", "optimizer@optimizer_critic=adashift"],
            {"lr": 1.0},
            {"lr": 2e-3, "n": 1},
        ),
        (
            ["optimizer=sgd", "optimizer@optimizer_critic=adashift", "optimizer_critic.n=2"],
            {"lr": 1e-2},
            {"n": 2},
        ),
    ],
)
def test_optimizer_critic_merges_over_optimizer(overrides, generator, critic):
    others = [o for o in SMALLER if not o.startswith("optimizer.lr")]
    gan = build.gan(compose(*others, *overrides), DIGITS)
    for optimizer, expected in zip(gan.configure_optimizers(), (generator, critic), strict=True):
        group = optimizer.param_groups[0]
        assert {
            key: tuple(group[key]) if key == "betas" else group[key] for key in expected
        } == expected
    whole = any("@" in o for o in overrides)
    assert (type(gan.configure_optimizers()[0]) is type(gan.configure_optimizers()[1])) is not whole


def cast(module, x, dtype):
    with torch.autocast("cpu", dtype=dtype, cache_enabled=False):
        return module(x)


def test_bf16_uses_the_weights_of_the_step_before():
    """Autocast keeps cast weights while it is on; the whole step is under it. By hand: a fresh
    autocast per pass."""
    gan = made("loss=wasserstein", "penalty=none", "log_every=1000", double=False)
    generator, critic = copy.deepcopy(gan.generator), copy.deepcopy(gan.critic)
    adam = [
        torch.optim.Adam(m.parameters(), lr=0.01, betas=(0.0, 0.9), fused=True)
        for m in (generator, critic)
    ]
    for t, (real, _) in enumerate(batches(dtype=torch.float32)):
        for optimizer in adam:
            optimizer.param_groups[0]["lr"] = 0.01 * (1 - t / STEPS)
        rng = generator_for(3, "step", t)
        for i in range(N_CRITIC):
            z = torch.randn(BATCH, 5, generator=rng)
            frozen = copy.deepcopy(generator)
            with torch.no_grad():
                fake = cast(frozen, z, torch.bfloat16).float()
            both = cast(critic, torch.cat([real[i], fake]), torch.bfloat16).float()
            adam[1].zero_grad()
            (both[BATCH:].mean() - both[:BATCH].mean()).backward()
            adam[1].step()
        z = torch.randn(GENERATOR_BATCH, 5, generator=rng)
        adam[0].zero_grad()
        (
            -cast(critic, cast(generator, z, torch.bfloat16), torch.bfloat16).float().mean()
        ).backward()
        adam[0].step()
    for i, batch in enumerate(batches(dtype=torch.float32)):
        with torch.autocast("cpu", dtype=torch.bfloat16):  # as Lightning's precision plugin does
            gan.training_step(batch, i)
    for mine, by_hand in ((gan.generator, generator), (gan.critic, critic)):
        for name, value in by_hand.state_dict().items():
            torch.testing.assert_close(
                mine.state_dict()[name],
                value,
                rtol=2e-2,
                atol=2e-3,
                msg=lambda m, n=name: f"{n}: {m}",
            )


# What must not change a run -----------------------------------------------------------------------

RUN = ("max_generator_steps=5", "n_critic=2")


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    return {
        penalty: weights(
            train(tmp_path_factory.mktemp("plain") / "run", *RUN, f"penalty={penalty}")
        )
        for penalty in ("maxgp", "spectral", "none", "clip")
    }


@pytest.mark.parametrize("penalty", ["maxgp", "spectral", "none", "clip"])
def test_cadences_and_the_global_generator_change_nothing(penalty, plain_run, tmp_path):
    import random

    import numpy as np

    torch.manual_seed(123)
    np.random.seed(5)  # noqa: NPY002
    random.seed(9)
    run_dir = train(tmp_path / "run", *RUN, f"penalty={penalty}", "log_every=1", "sample_every=1",
                    "checkpoint_every=2", "logger=none")  # fmt: skip
    assert weights(run_dir) == plain_run[penalty]


def test_another_seed_is_another_run(plain_run, tmp_path):
    run_dir = train(tmp_path / "run", *RUN, "seed=1")
    assert weights(run_dir) != plain_run["maxgp"]


def test_seeds_differ_in_weights_noise_and_data():
    first, second = (build.gan(compose(*SMALLER, f"seed={seed}"), DIGITS) for seed in (0, 1))
    assert not torch.equal(first.generator.linear.weight, second.generator.linear.weight)
    assert (
        len(
            {
                fold(seed, what, step)
                for seed in (0, 1)
                for what in ("step", "global")
                for step in (0, 1)
            }
        )
        == 8
    )
    data = ResidentData.place(load(Digits(), None), "cpu")
    one, other = (ResidentLoader(data, 16, 2, seed, stop=2).indices(0) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_the_run_sees_the_batches_of_the_loader(tmp_path, monkeypatch):
    """real and labels of a run are those of ResidentLoader for (seed, step), in its order."""
    seen = []
    step = GAN.training_step

    def spy(self, batch, batch_idx):
        seen.append([value.clone() for value in batch])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(GAN, "training_step", spy)
    train(tmp_path / "run", *RUN, "seed=4")
    data = ResidentData.place(load(Digits(), None), "cpu")
    expected = list(ResidentLoader(data, 16, 2, 4, stop=5))
    assert len(seen) == 5
    for (real, labels), (values, classes) in zip(seen, expected, strict=True):
        assert torch.equal(real, values)
        assert torch.equal(labels, classes)
        assert real.shape == (2, 16, 1, 8, 8)


# A loss with labels and targets -------------------------------------------------------------------


class LabelLoss:
    """K logits; notes what it is given."""

    needs_labels = needs_targets = has_score = True

    def __init__(self):
        self.critic_calls, self.generator_calls = [], []

    def outputs(self, num_classes):
        return num_classes

    def classes(self, logits):
        return logits

    def score(self, logits):
        return logits.logsumexp(1)

    def critic(self, real, fake, labels=None, targets=None):
        self.critic_calls.append((real.shape, labels.clone(), targets.clone()))
        return nn.functional.cross_entropy(real, labels) - nn.functional.cross_entropy(
            fake, targets
        )

    def generator(self, fake, targets=None):
        self.generator_calls.append((fake.shape, targets.clone()))
        return nn.functional.cross_entropy(fake, targets)


class DrawnTargets:
    """Classes drawn with z, shown to the generator as a one-hot code behind it."""

    def __init__(self, num_classes):
        self.num_classes = num_classes
        self.drawn = []

    def draw(self, z, generator):
        classes = torch.randint(0, self.num_classes, (len(z),), generator=generator)
        self.drawn.append(classes)
        return torch.cat([z, nn.functional.one_hot(classes, self.num_classes).to(z)], 1), classes

    def of(self, logits, drawn):
        assert logits.shape[0] == len(drawn)
        return drawn


class PredictedTargets(DrawnTargets):
    """The critic's own choice, as AM-GAN's dynamic labels."""

    def draw(self, z, generator):
        self.drawn.append(None)
        return z, None

    def of(self, logits, drawn):
        assert drawn is None
        return logits.detach().argmax(1)


@pytest.mark.parametrize("kind", [DrawnTargets, PredictedTargets])
def test_labels_and_targets_go_through_the_training_module(kind):
    from gan_lab.architectures import MLP
    from gan_lab.optim.schedules import Constant
    from gan_lab.penalties import MaxGradientPenalty

    classes = 4
    spec = DataSpec("toy", "points", (2,), classes, tuple("abcd"))
    loss, targets = LabelLoss(), kind(classes)
    extra = classes if kind is DrawnTargets else 0
    gan = GAN(
        generator=MLP(depth=1, width=8, latent_dim=5 + extra).generator(spec),
        critic=MLP(depth=1, width=8).critic(spec, loss.outputs(classes)),
        loss=loss,
        penalty=MaxGradientPenalty(1.0),
        targets=targets,
        generator_optimizer=torch.optim.SGD,
        critic_optimizer=torch.optim.SGD,
        schedule=Constant(),
        settings=TrainingSettings(0, N_CRITIC, BATCH, GENERATOR_BATCH, STEPS, 5, 0.9, 100),
    )
    ready(gan)
    data = list(batches(spec, torch.float32))
    for i, batch in enumerate(data):
        gan.training_step(batch, i)
    given = [labels[i] for _, labels in data for i in range(N_CRITIC)]
    assert len(loss.critic_calls) == STEPS * N_CRITIC
    assert len(loss.generator_calls) == STEPS
    for (shape, labels, _), expected in zip(loss.critic_calls, given, strict=True):
        assert shape == (BATCH, classes)
        assert torch.equal(labels, expected)
    assert all(shape == (GENERATOR_BATCH, classes) for shape, _ in loss.generator_calls)
    if kind is DrawnTargets:
        order = []
        for t in range(STEPS):
            order += [call[2] for call in loss.critic_calls[t * N_CRITIC : (t + 1) * N_CRITIC]]
            order.append(loss.generator_calls[t][1])
        assert all(torch.equal(a, b) for a, b in zip(order, targets.drawn, strict=True))
    assert bool(gan.finite)
