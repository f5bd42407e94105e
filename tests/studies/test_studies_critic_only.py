"""Figure 3-7a: a critic alone, beside a frozen generator."""

import functools
import io

import pytest
import torch
import torch.nn.functional as F

from gan_lab.architectures import MLP
from gan_lab.data import Digits, load
from gan_lab.errors import UserError
from gan_lab.losses import am_gan, fisher, logistic, relativistic
from gan_lab.optim import AdaShift
from gan_lab.penalties import MaxGradientPenalty
from gan_lab.studies.critic_only import CriticOnly
from gan_lab.training.randomness import fold, generator_for

FIELDS = {"generator": None, "max_steps": 12, "batch_size": 16}
SGD = functools.partial(torch.optim.SGD, lr=0.1)
NETWORKS = MLP(depth=1, width=8, activation="tanh", latent_dim=4)


@pytest.fixture(scope="module")
def digits(data_cache):
    return load(Digits(), data_cache)


def begun(digits, optimizer=SGD, loss=None, **fields):
    study = CriticOnly(
        loss or logistic(), MaxGradientPenalty(0.1), optimizer, NETWORKS, digits,
        **{**FIELDS, **fields},
    )  # fmt: skip
    study.begin(seed=0)
    return study


def test_a_step_is_that_of_the_formula(digits):
    """softplus(f(g(z))) + softplus(-f(x)) + 0.1 max ‖∇f(x̂)‖², and θ ← θ - 0.1 gradient."""
    study = begun(digits)
    torch.manual_seed(fold(0, "initial weights"))
    generator = NETWORKS.generator(digits.spec)
    critic = NETWORKS.critic(digits.spec, 1)
    real = study.reals.gather(study.batches.indices(0)[0])[0]
    z = torch.randn(16, 4, generator=generator_for(0, "z", 1))
    fake = generator(z).detach()
    value = F.softplus(critic(fake)).mean() + F.softplus(-critic(real)).mean()

    u = torch.rand(16, 1, 1, 1, generator=generator_for(0, "interpolates", 1))
    between = (u * real + (1 - u) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = 0.1 * slope.flatten(1).norm(dim=1).max() ** 2
    gradients = torch.autograd.grad(value + penalty, list(critic.parameters()))

    logged = study.step(1)
    assert float(logged["critic_loss"]) == pytest.approx(float(value.detach()), rel=1e-5)
    assert float(logged["penalty"]) == pytest.approx(float(penalty.detach()), rel=1e-4)
    trained = study.training.critic.parameters()
    for now, before, gradient in zip(trained, critic.parameters(), gradients, strict=True):
        torch.testing.assert_close(now.detach(), (before - 0.1 * gradient).detach())


def test_the_generator_does_not_move_and_its_samples_differ_by_step(digits):
    study = begun(digits)
    before = [parameter.clone() for parameter in study.network.parameters()]
    first = study.fakes(1)
    study.step(1)
    assert all(map(torch.equal, before, study.network.parameters()))
    assert torch.equal(study.fakes(1), first)
    assert not torch.equal(study.fakes(2), first)


def test_the_scores_are_means_over_the_last_tenth(digits):
    study = begun(digits, max_steps=20)
    logged = [study.step(number) for number in range(1, 21)]
    scores = study.result().scores
    for name in ("critic_loss", "penalty"):
        last = sum(float(values[name]) for values in logged[-2:]) / 2
        assert scores[name] == pytest.approx(last, rel=1e-5)
    assert scores["objective"] == scores["critic_loss"] + scores["penalty"]


@pytest.mark.parametrize("loss", [logistic, fisher, relativistic])
def test_a_resumed_study_ends_as_one_that_was_not_stopped(digits, loss):
    """Also of losses that have a multiplier, or compare fakes with reals."""
    adashift = functools.partial(AdaShift, lr=1e-3, n=2)
    whole, file = begun(digits, adashift, loss()), io.BytesIO()
    for number in range(1, whole.steps + 1):
        whole.step(number)
        if number == 5:
            torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = begun(digits, adashift, loss())
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for number in range(6, resumed.steps + 1):
        resumed.step(number)
    assert resumed.result() == whole.result()


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_steps", 9), ("batch_size", 0), ("batch_size", 5000), ("generator", "no/such/folder")],
)
def test_a_bad_field_is_refused_by_its_name(digits, field, value):
    with pytest.raises(UserError, match=str(value) if field == "generator" else field):
        begun(digits, **{field: value})


def test_a_loss_of_class_logits_is_refused(digits):
    with pytest.raises(UserError, match="one of a single logit, as loss=exp"):
        begun(digits, loss=am_gan())
