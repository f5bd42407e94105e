"""The fair comparison of optimizers: trials, what they are judged on, and what is kept of them."""

import copy
import functools
import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gan_lab import build
from gan_lab.architectures import MLP, ResNet
from gan_lab.classifier.exchange import shipped_classifier
from gan_lab.config import check_study
from gan_lab.data import Digits, load
from gan_lab.data.resident import to_uint8
from gan_lab.errors import UserError
from gan_lab.losses import am_gan, exponential, fisher, relativistic
from gan_lab.metrics.frechet import Moments, frechet_distance
from gan_lab.optim import AdaShift, ExtraAdam
from gan_lab.penalties import MaxGradientPenalty, Penalty
from gan_lab.scoring.features import ClassifierExtractor
from gan_lab.studies.optimizers import TEST, VALID, OptimizersOnClassifier, OptimizersOnGAN
from gan_lab.studies.run import run as run_study
from gan_lab.training.randomness import generator_for
from helpers import gan_runs
from helpers.registry import CONF

SGD = functools.partial(torch.optim.SGD, lr=7.0)
FIELDS = {
    "network": "logistic", "batch_size": 128, "held_out": 0.25, "rates": [0.1, 1.0],
    "max_steps": 6, "tests": 3,
}  # fmt: skip
OF_GAN = {
    "n_critic": 2, "batch_size": 8, "samples": 300, "rates": [1e-3], "max_steps": 2, "tests": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def digits(data_cache):
    return load(Digits(), data_cache)


def begun(digits, optimizer=SGD, **fields):
    study = OptimizersOnClassifier(optimizer, digits, **{**FIELDS, **fields})
    study.begin(seed=0)
    return study


class Shipped:
    """The package's classifier of digits, as study=optimizers_gan finds it."""

    def make(self, data, cache, device, console):
        config = gan_runs.compose("study=optimizers_gan", program="study").study.extractor
        recipe = build.make("study", config.recipe)
        found = shipped_classifier("digits", config.shipped.digits, data, recipe, device)
        return ClassifierExtractor(found.network, found.mean, found.std, {})


@pytest.fixture(scope="module")
def gan(digits):
    """A GAN after its two steps."""
    adam = functools.partial(torch.optim.Adam, betas=(0.0, 0.9))
    architecture = ResNet(channels=4, latent_dim=8)
    parts = (exponential(), MaxGradientPenalty(1.0), adam, architecture, digits)
    study = OptimizersOnGAN(*parts, extractor=Shipped(), **OF_GAN)
    study.begin(seed=0)
    for number in (1, 2):
        study.step(number)
    return study


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (am_gan(), "one of a single logit, as loss=exp"),
        (fisher(), "without a state or reals of its own, as loss=exp"),
        (relativistic(), "without a state or reals of its own, as loss=exp"),
    ],
)
def test_a_loss_that_a_gan_of_the_study_cannot_take_is_refused(digits, loss, words):
    parts = (loss, MaxGradientPenalty(1.0), torch.optim.Adam, ResNet(channels=4), digits)
    with pytest.raises(UserError, match=words):
        OptimizersOnGAN(*parts, extractor=Shipped(), **OF_GAN)


def run(study, first=1):
    for number in range(first, study.steps + 1):
        study.step(number)
    return study.result()


def test_each_rate_trains_anew_and_is_judged_on_images_that_no_trial_sees(digits):
    """Softmax regression by hand in float64, once for each rate; pixels from 0 to 1."""
    study = begun(digits)
    result = run(study)
    seen, held = (study.tuned.splits[name] for name in ("train", "test"))
    every = np.concatenate([seen.values, held.values]).reshape(-1, 64)
    assert len(held.labels) == round(0.25 * len(digits.splits["train"].labels))
    assert sorted(map(bytes, every)) == sorted(
        map(bytes, digits.splits["train"].values.reshape(-1, 64))
    )

    for index, rate in enumerate(FIELDS["rates"]):
        study._start(index)
        W = study.running.training.network[1].weight.detach().double().numpy()
        b, errors = np.zeros(10), []
        for number in range(1, 7):
            rows = study.running.training.batches.indices(number - 1)[0].numpy()
            x = seen.values[rows].reshape(-1, 64) / 255
            logits = x @ W.T + b
            p = np.exp(logits - logits.max(1, keepdims=True))
            p = p / p.sum(1, keepdims=True) - np.eye(10)[seen.labels[rows]]
            W, b = W - rate * p.T @ x / 128, b - rate * p.mean(0)
            if number % 2 == 0:
                found = (held.values.reshape(-1, 64) / 255 @ W.T + b).argmax(1)
                errors.append((found != held.labels).mean())
        assert result.drawn["valid"][index] == pytest.approx(errors, abs=1.01 / len(held.labels))
    best = int(np.argmin([curve[-1] for curve in result.drawn["valid"]]))
    assert result.scores["rate"] == FIELDS["rates"][best]
    assert result.scores["valid"] == result.drawn["valid"][best][-1]
    assert result.scores["test"] == result.drawn["test"][best]
    assert result.drawn["steps"] == [2, 4, 6]


def far(rate):
    """Extragradient with this rate: with such an eps d is gradient / eps."""
    return functools.partial(ExtraAdam, lr=rate * 1e6, betas=(0.0, 0.0), eps=1e6)


def extragradient(networks, gradients, rate, which=slice(None)):
    """θ - r g(θ - r g(θ)) of some of the networks, which move together."""
    moving = networks[which]
    origins = [[p.detach().clone() for p in network.parameters()] for network in moving]
    for _ in range(2):
        slopes = [gradient() for gradient in gradients[which]]
        for network, origin, slope in zip(moving, origins, slopes, strict=True):
            for p, start, g in zip(network.parameters(), origin, slope, strict=True):
                p.data = start - rate * g


def assert_same(networks, others):
    for network, other in zip(networks, others, strict=True):
        for p, q in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=2e-4, atol=2e-6)


def test_a_classifier_is_trained_by_an_optimizer_that_looks_ahead(digits):
    study = begun(digits, far(1.0), rates=[1e6])
    study._start(0)
    training = study.running.training
    mine = copy.deepcopy(training.network)
    rows = training.batches.indices(0)[0]
    images, labels = training.train.values[rows] / 255, training.train.labels[rows]

    def gradient():
        return torch.autograd.grad(F.cross_entropy(mine(images), labels), list(mine.parameters()))

    study.step(1)
    extragradient([mine], [gradient], 1.0)
    assert_same([study.running.training.network], [mine])


def test_both_players_of_a_gan_look_ahead_together(digits):
    """The first critic step is the critic's own; the second and the generator's are one."""
    parts = (exponential(), Penalty(), far(0.01), MLP(1, 16), digits)
    study = OptimizersOnGAN(*parts, extractor=Shipped(), **{**OF_GAN, "rates": [1e4]})
    study.begin(seed=0)
    study._start(0)
    trial = study.running
    generator, critic = copy.deepcopy(trial.generator), copy.deepcopy(trial.critic.critic)
    reals, _ = trial.reals.gather(trial.batches.indices(0))

    def samples(count, purpose):
        z = torch.randn(count, 128, generator=generator_for(0, purpose, 1))
        return generator(z)

    def of_critic(i):
        fake = samples(8, f"critic {i} z").detach()
        value = critic(fake).exp().mean() + (-critic(reals[i])).exp().mean()
        return torch.autograd.grad(value, list(critic.parameters()))

    def of_generator():
        value = -critic(samples(8, "z")).mean()
        return torch.autograd.grad(value, list(generator.parameters()))

    study.running.step(1)
    networks = [critic, generator]
    extragradient(networks, [lambda: of_critic(0), of_generator], 0.01, slice(0, 1))
    extragradient(networks, [lambda: of_critic(1), of_generator], 0.01)
    assert_same([trial.critic.critic, trial.generator], networks)


def test_holding_out_every_image_is_refused(digits):
    with pytest.raises(UserError, match=r"held_out=0\.9999: it leaves no image"):
        OptimizersOnClassifier(SGD, digits, **{**FIELDS, "held_out": 0.9999})


def test_what_an_optimizer_refuses_is_refused_before_the_first_step(digits):
    with pytest.raises(UserError, match="betas"):
        begun(digits, functools.partial(ExtraAdam, betas=(2.0, 3.0)))


def test_a_trial_that_diverges_ends_and_the_next_one_begins(digits):
    """1e30 makes weights whose logits overflow; a study of such rates alone has no best one."""
    result = run(begun(digits, rates=[0.1, 1e30], network="mlp"))
    assert len(result.drawn["valid"][0]) == 3
    assert len(result.drawn["valid"][1]) < 3
    assert result.drawn["test"][1] is None
    assert (result.scores["diverged"], result.scores["rate"]) == (1, 0.1)
    nothing = run(begun(digits, rates=[1e30], network="mlp")).scores
    assert math.isnan(nothing["valid"])
    assert nothing["diverged"] == 1


@pytest.mark.parametrize("stopped_after", [4, 9, 17])
def test_a_resumed_study_ends_as_one_that_was_not_stopped(digits, stopped_after):
    """In the first trial, in the second, and in the third, which has diverged."""
    adashift = functools.partial(AdaShift, n=3)
    fields = {"rates": [0.1, 0.3, 1e30], "network": "mlp"}
    whole = begun(digits, adashift, **fields)
    file = io.BytesIO()
    for number in range(1, whole.steps + 1):
        whole.step(number)
        if number == stopped_after:
            torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed = begun(digits, adashift, **fields)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert run(resumed, first=stopped_after + 1) == whole.result()
    assert whole.result().scores["state_copies"] == pytest.approx(3, abs=1e-3)


@pytest.mark.thorough
def test_a_gan_is_judged_by_the_distance_of_its_features(gan, digits):
    """By means and covariances of numpy; the test split for the end alone."""
    trial = gan.running
    with torch.no_grad():
        before = {name: value.clone() for name, value in trial.generator.state_dict().items()}
        samples = trial.fakes(300, "scored z", 0)
        trial.generator.load_state_dict(before)  # running statistics have moved
        fake = gan.features(to_uint8(samples)).features.double().numpy()
        for name, split in ((VALID, "train"), (TEST, "test")):
            images = torch.tensor(digits.splits[split].values)
            real = gan.features(images).features.double().numpy()
            moments = [
                Moments(torch.tensor(x.mean(0)), torch.tensor(np.cov(x.T)), len(x))
                for x in (real, fake)
            ]
            assert trial.score(name) == pytest.approx(float(frechet_distance(*moments)), rel=1e-6)
    assert gan.curves == [[trial.score(VALID)]]
    assert gan.test == [trial.score(TEST)]


def test_both_networks_of_a_gan_train_by_the_optimizer_at_the_rate(gan):
    """After two steps of two critic steps: counts of Adam, and its rate."""
    critic, generator = gan.running.optimizers()
    for optimizer, steps in ((critic, 4), (generator, 2)):
        counts = {float(state["step"]) for state in optimizer.state.values()}
        assert counts == {steps}
        assert {group["lr"] for group in optimizer.param_groups} == {1e-3}
    assert all(parameter.requires_grad for parameter in gan.running.critic.critic.parameters())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rates", []), ("rates", [1.0, 0.1]), ("rates", [0.0, 1.0]), ("rates", 0.1),
        ("tests", 0), ("tests", 7), ("max_steps", 0), ("held_out", 0), ("held_out", 1),
        ("network", "vgg"), ("batch_size", 1200),
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_by_its_name(digits, field, value):
    with pytest.raises(UserError, match=field):
        begun(digits, **{field: value})


@pytest.mark.thorough
@pytest.mark.parametrize("target", ["torch.optim.RAdam", "pytorch_optimizer.optimizer.lion.Lion"])
def test_an_optimizer_of_another_package_is_named_on_the_command_line(tmp_path, target):
    """sgd is the option with no field but the rate. pytorch_optimizer finds its short names only when
    it is imported, so the whole path is typed."""
    pytest.importorskip(target.split(".")[0])
    job = gan_runs.compose(
        "study=optimizers", "optimizer=sgd", f"optimizer._target_={target}",
        "study.rates=[0.01]", "study.max_steps=2", "study.tests=1", f"run_dir={tmp_path}",
        program="study",
    )  # fmt: skip
    check_study(job)
    run_study(job, tmp_path)
    record = gan_runs.record(tmp_path)
    assert record["status"] == "finished"
    assert record["config"]["optimizer"]["_target_"] == target
    assert record["scores"]["state_copies"]["value"] == pytest.approx(
        {"RAdam": 2, "Lion": 1}[target.split(".")[-1]], abs=1e-3
    )


def test_every_option_is_compared():
    for path in (CONF / "sweep").glob("optimizers_*.yaml"):
        assert "optimizer: glob(*)" in path.read_text()
