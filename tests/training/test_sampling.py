"""Samples of the EMA generator: whose batch statistics, of which classes, and on the way between
two of them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from gan_lab import build
from gan_lab.data import Digits, load
from gan_lab.data.resident import to_uint8
from gan_lab.errors import UserError
from gan_lab.scoring.evaluator import Evaluator
from gan_lab.scoring.protocol import Protocol
from gan_lab.training import GAN, sampling
from gan_lab.training.randomness import generator_for
from helpers.gan_runs import DCGAN, SMALL, compose, traits
from helpers.registry import options

K, SIZE, LATENT = 10, 20, 8  # classes, samples of a batch in training, numbers in z
WITH_BN = (*DCGAN, "penalty=none")
RESNET = ("architecture=resnet", "architecture.channels=4", "penalty=none")


def without_an_extractor() -> Evaluator:
    """An evaluator whose `score` a test replaces."""
    evaluator = object.__new__(Evaluator)
    evaluator.device = torch.device("cpu")
    evaluator.extractor = SimpleNamespace(kind="images")
    evaluator.fingerprint = lambda protocol: "0" * 16
    return evaluator


@pytest.fixture(scope="module")
def made():
    """made(*overrides): a GAN of the digits at its start, made once."""
    data, kept = load(Digits(), None), {}

    def make(*overrides: str) -> GAN:
        if overrides not in kept:
            config = compose(
                *SMALL,
                *overrides,
                f"generator_batch_size={SIZE}",
                f"architecture.latent_dim={LATENT}",
            )
            kept[overrides] = build.gan(config, data.spec, data)
        return kept[overrides]

    return make


@pytest.fixture(params=["dynamic", "predefined"])
def dcgan(request, made) -> GAN:
    return made("loss=am_gan", f"labels={request.param}", *WITH_BN)


@pytest.fixture
def dynamic(made) -> GAN:
    return made("loss=am_gan", "labels=dynamic", *WITH_BN)


@pytest.fixture
def predefined(made) -> GAN:
    return made("loss=am_gan", "labels=predefined", *WITH_BN)


@pytest.fixture
def resnet(made) -> GAN:
    return made("loss=am_gan", "labels=dynamic", *RESNET)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def inputs(gan: GAN, count: int, draw: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """z and, for predefined labels, one-hot classes, by hand."""
    z = torch.randn(count, LATENT, generator=draw)
    if gan.targets.conditions == 0:
        return z, None
    drawn = torch.randint(K, (count,), generator=draw)
    return torch.cat([z, torch.eye(K)[drawn]], 1), drawn


@contextlib.contextmanager
def nothing_changes(gan: GAN) -> Iterator[None]:
    """Neither parameters nor buffers, training modes, gradients or the global random state."""
    state = copy.deepcopy(gan.state_dict())
    modes = [module.training for module in gan.modules()]
    random = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), random)
    assert [module.training for module in gan.modules()] == modes
    for key, value in gan.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0, equal_nan=True)
    assert all(parameter.grad is None for parameter in gan.parameters())


# sample -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 13, SIZE])
def test_a_sample_does_not_depend_on_how_many_are_asked(count, dcgan):
    """Batch statistics are always those of SIZE samples."""
    whole, classes = dcgan.sample(SIZE, rng())
    part, some = dcgan.sample(count, rng())
    assert part.shape == (count, 1, 8, 8)
    assert torch.equal(part, whole[:count])
    if classes is not None:
        assert torch.equal(some, classes[:count])


@pytest.mark.parametrize("count", [SIZE + 1, 3 * SIZE])
def test_a_sample_does_not_depend_on_how_many_batches_are_asked(count, dcgan):
    first, classes = dcgan.sample(SIZE, rng())
    more, others = dcgan.sample(count, rng())
    if classes is not None:
        assert torch.equal(others[:SIZE], classes)
    assert torch.equal(more[:SIZE], first)


def test_samples_are_batches_of_the_average_generator(dcgan):
    """By hand; and the same samples in a batch of another size are other images."""
    samples, classes = dcgan.sample(SIZE, rng(3))
    z, drawn = inputs(dcgan, SIZE, rng(3))
    average = copy.deepcopy(
        dcgan.ema.average
    ).train()  # in either mode: it has no running statistics
    torch.testing.assert_close(samples, average(z), rtol=0, atol=1e-6)
    assert classes is None if drawn is None else torch.equal(classes, drawn)
    assert not torch.allclose(samples[:5], average(z[:5]), atol=1e-3)


def test_it_is_the_average_that_is_sampled(dynamic):
    gan = copy.deepcopy(dynamic)
    before, _ = gan.sample(4, rng())
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter += 1
    assert torch.equal(gan.sample(4, rng())[0], before)
    gan.ema.update(gan.generator)
    assert not torch.equal(gan.sample(4, rng())[0], before)


def test_with_running_statistics_there_are_no_batches(resnet):
    """64 samples in one pass, each its own."""
    assert resnet.sampling_batch_size is None
    assert resnet.batch_norm_statistics == "running"
    samples, _ = resnet.sample(64, rng())
    z, _ = inputs(resnet, 64, rng())
    torch.testing.assert_close(samples, resnet.ema.average(z), rtol=0, atol=1e-6)
    torch.testing.assert_close(samples[:1], resnet.ema.average(z[:1]), rtol=0, atol=1e-5)


def test_what_is_told_of_the_batches(dcgan):
    assert dcgan.sampling_batch_size == SIZE
    assert dcgan.batch_norm_statistics == f"of batches of {SIZE} samples"


def test_scores_are_of_such_batches_and_say_so(dcgan):
    """50 images asked at once of a generator whose batches are of 20: every score names both."""
    evaluator = without_an_extractor()
    seen = []

    def score(sample, protocol, samples, own_classes):
        seen.append(sample(0).images)
        return {"any": {"value": 0.0}}

    evaluator.score = score
    with nothing_changes(dcgan):
        entries = evaluator.scores(dcgan, Protocol(None, batch_size=50))
    assert entries["any"]["batch_norm_statistics"] == f"of batches of {SIZE} samples"
    assert (entries["any"]["batch_size"], entries["any"]["step"]) == (50, 0)
    assert seen[0].shape == (50, 1, 8, 8)
    assert seen[0].dtype == torch.uint8


@pytest.mark.parametrize("classes", ["auto", "own"])
def test_samples_are_scored_with_their_own_classes(classes, dcgan):
    """The drawn one, or argmax_k l_k of the critic in eval mode on the sample itself, whatever mode
    it was left in."""
    evaluator = without_an_extractor()
    dcgan.train()
    seen = []

    def score(sample, protocol, samples, own_classes):
        seen.append((sample(1), own_classes))
        return {
            "by their own": {"value": 0.0, "classes": "own"},
            "by another": {"value": 0.0, "classes": "classifier"},
        }

    evaluator.score = score
    with nothing_changes(dcgan):
        entries = evaluator.scores(
            dcgan, Protocol(None, ("msssim",), batch_size=SIZE, msssim_classes=classes)
        )
    z, drawn = inputs(dcgan, SIZE, generator_for(dcgan.settings.seed, "evaluation", 1))
    with torch.no_grad():
        images = dcgan.ema.average(z)
    [(samples, own_classes)] = seen
    assert own_classes == K
    assert (
        samples.classes.tolist()
        == (seen_by_hand(dcgan, images) if drawn is None else drawn).tolist()
    )
    assert torch.equal(samples.images, to_uint8(images))
    by = "the critic's own label in eval mode" if drawn is None else "drawn with the sample"
    assert entries["by their own"]["classes"].startswith(by)
    assert entries["by another"]["classes"] == "classifier"


@pytest.mark.parametrize(
    ("loss", "labels", "scores", "classes"),
    [
        ("am_gan", "dynamic", ("is",), "auto"),
        ("am_gan", "dynamic", ("msssim",), "classifier"),
        ("hinge", "none", ("msssim",), "auto"),
    ],
)
def test_the_critic_is_not_asked_where_no_score_needs_it(
    loss, labels, scores, classes, made, monkeypatch
):
    gan = made(f"loss={loss}", f"labels={labels}", *WITH_BN)
    evaluator = without_an_extractor()
    seen = []

    def score(sample, protocol, samples, own_classes):
        seen.append((sample(0).classes, own_classes))
        return {}

    evaluator.score = score
    monkeypatch.setattr(gan.critic, "forward", lambda _: pytest.fail("the critic was asked"))
    evaluator.scores(gan, Protocol(None, scores, batch_size=SIZE, msssim_classes=classes))
    assert seen == [(None, None)]


@pytest.mark.parametrize(
    ("loss", "labels", "own", "by_critic"),
    [
        ("am_gan", "dynamic", K, True),
        ("am_gan", "predefined", K, False),
        ("label_gan", "none", K, True),
        ("hinge", "none", None, False),
    ],
)
def test_how_many_classes_samples_have_and_who_says_which(loss, labels, own, by_critic, made):
    gan = made(f"loss={loss}", f"labels={labels}", *WITH_BN)
    assert (gan.own_classes, gan.classes_by_critic) == (own, by_critic)


# by_class -----------------------------------------------------------------------------------------


def seen_by_hand(gan: GAN, samples: Tensor) -> Tensor:
    """argmax_k l_k of a critic in eval mode."""
    critic = copy.deepcopy(gan.critic).eval()
    with torch.no_grad():
        return critic(samples)[:, :K].argmax(1)


@pytest.mark.parametrize("loss", ["am_gan", "ac_gan"])
@pytest.mark.parametrize("labels", ["dynamic", "predefined"])
@pytest.mark.parametrize("architecture", [WITH_BN, RESNET], ids=["dcgan", "resnet"])
def test_by_class_sorts_batches_by_the_drawn_class_or_the_critics(loss, labels, architecture, made):
    """In the order of drawing; a critic with a real logit of its own (ac_gan) is asked for its
    class logits alone."""
    gan = made(f"loss={loss}", f"labels={labels}", *architecture)
    size = SIZE if architecture is WITH_BN else sampling.BATCH
    asked = [7, 0, 3, *(k for k in range(K) if k not in (7, 0, 3))]
    with nothing_changes(gan):
        found = sampling.by_class(gan, asked, 4, rng(5))
    draw, expected = rng(5), {which: [] for which in asked}
    for _ in range(sampling.MOST_BATCHES):
        z, drawn = inputs(gan, size, draw)
        with torch.no_grad():
            images = gan.ema.average(z)
        for image, which in zip(
            images, seen_by_hand(gan, images) if drawn is None else drawn, strict=True
        ):
            if which.item() in expected:
                expected[which.item()].append(image)
    assert any(expected.values())
    for samples, which in zip(found, asked, strict=True):
        assert len(samples) == min(4, len(expected[which]))
        assert samples.dtype == torch.float32
        assert samples.shape[1:] == (1, 8, 8)
        for mine, by_hand in zip(samples, expected[which], strict=False):
            torch.testing.assert_close(mine, by_hand, rtol=0, atol=1e-6)


def test_a_class_that_does_not_come_up_has_fewer(dynamic):
    """A critic that sees class 6 everywhere: the others stay empty, and the search ends."""
    gan = copy.deepcopy(dynamic)
    with torch.no_grad():
        gan.critic[-1].bias[6] += 1000
    found = sampling.by_class(gan, range(K), 3, rng())
    assert [len(samples) for samples in found] == [3 if k == 6 else 0 for k in range(K)]
    assert all(samples.shape[1:] == (1, 8, 8) for samples in found)


def test_the_search_ends_and_keeps_what_it_has_found(predefined, monkeypatch):
    monkeypatch.setattr(sampling, "MOST_BATCHES", 2)
    found = sampling.by_class(predefined, range(K), 10 * SIZE, rng(1))
    assert sum(len(samples) for samples in found) == 2 * SIZE
    draw = rng(1)
    drawn = torch.cat([inputs(predefined, SIZE, draw)[1] for _ in range(2)])
    assert [len(samples) for samples in found] == torch.bincount(drawn, minlength=K).tolist()


def test_samples_without_classes_are_refused(made):
    gan = made("loss=hinge", *WITH_BN)
    assert not sampling.knows_classes(gan)
    with pytest.raises(UserError, match=r"^samples of this loss have no classes[^\n]+$"):
        sampling.by_class(gan, [0], 1, rng())
    with nothing_changes(gan), pytest.raises(UserError, match="no classes"):
        sampling.between(gan, 0, 1, 1, 4, rng())


@pytest.mark.parametrize("option", options("labels"))
def test_which_samples_have_classes(option, made):
    """Those of a critic with class logits, whatever the targets, and those drawn with a class."""
    loss = "am_gan" if traits("labels", option)["targets"] else "label_gan"
    assert sampling.knows_classes(made(f"loss={loss}", f"labels={option}", *WITH_BN))


# between ------------------------------------------------------------------------------------------


class Echo(nn.Module):
    """In place of the average generator: its input is its sample."""

    def forward(self, z: Tensor) -> Tensor:
        return z


@pytest.mark.parametrize("labels", ["dynamic", "predefined"])
def test_between_is_a_straight_line_in_the_input(labels, made):
    """Both ends as drawn, among those of the class, and equal steps from one to the other."""
    gan = copy.deepcopy(made("loss=am_gan", f"labels={labels}", *WITH_BN))
    gan.ema = Echo()
    classifier = nn.Linear(LATENT + gan.targets.conditions, K)
    gan.critic = nn.Sequential(
        classifier, nn.Dropout(0.9)
    ).train()  # dropout off: the critic is asked in eval mode
    with nothing_changes(gan):
        lines = sampling.between(gan, 2, 9, 3, 5, rng(4))
    assert lines.shape == (3, 5, LATENT + gan.targets.conditions)
    for i, share in enumerate([0, 0.25, 0.5, 0.75, 1]):
        expected = (1 - share) * lines[:, 0] + share * lines[:, -1]
        torch.testing.assert_close(lines[:, i], expected, rtol=0, atol=1e-6)
    draw, ends = rng(4), {2: [], 9: []}
    while min(map(len, ends.values())) < 3:
        z, drawn = inputs(gan, SIZE, draw)
        classes = classifier(z).argmax(1) if drawn is None else drawn
        for which, found in ends.items():
            found.extend(z[classes == which])
    torch.testing.assert_close(lines[:, 0], torch.stack(ends[2][:3]), rtol=0, atol=0)
    torch.testing.assert_close(lines[:, -1], torch.stack(ends[9][:3]), rtol=0, atol=1e-6)
    if labels == "predefined":
        assert lines[:, 0, LATENT:].argmax(1).tolist() == [2] * 3
        torch.testing.assert_close(lines[:, 2, LATENT + 2], torch.full((3,), 0.5))


def test_the_images_between_are_the_average_generators(resnet):
    """With running statistics an image is its input's alone, so the ends are of the classes as the
    critic sees them."""
    seen = seen_by_hand(resnet, resnet.sample(200, rng())[0]).bincount(minlength=K)
    first, second = seen.topk(2).indices.tolist()
    if not seen[second]:
        pytest.fail("the critic sees one class alone: take another seed")
    with nothing_changes(resnet):
        lines = sampling.between(resnet, first, second, 2, 3, rng(2))
    assert lines.shape == (2, 3, 1, 8, 8)
    assert lines.dtype == torch.float32
    assert seen_by_hand(resnet, lines[:, 0]).tolist() == [first] * 2
    assert seen_by_hand(resnet, lines[:, -1]).tolist() == [second] * 2


def test_a_row_is_drawn_in_a_batch_of_the_trainings_size(dcgan):
    sizes = []
    watch = dcgan.ema.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    found = [len(samples) for samples in sampling.by_class(dcgan, range(K), 4, rng())]
    first, second = (k for k in range(K) if found[k] == 4 and sum(f == 4 for f in found[:k]) < 2)
    with nothing_changes(dcgan):
        lines = sampling.between(dcgan, first, second, 2, SIZE, rng())
    assert lines.shape == (2, SIZE, 1, 8, 8)
    assert set(sizes) == {SIZE}
    watch.remove()
    assert torch.equal(lines, sampling.between(dcgan, first, second, 2, SIZE, rng()))


def test_more_steps_than_a_batch_holds_are_refused(dcgan):
    with pytest.raises(UserError, match=rf"^steps={SIZE + 1} [^\n]+steps={SIZE}"):
        sampling.between(dcgan, 0, 1, 1, SIZE + 1, rng())


def test_a_class_that_never_comes_up_is_named(dynamic):
    gan = copy.deepcopy(dynamic)
    with torch.no_grad():
        gan.critic[-1].bias[6] += 1000
    with (
        nothing_changes(gan),
        pytest.raises(UserError, match=r"^class 1 came up 0 times among [^\n]+$"),
    ):
        sampling.between(gan, 6, 1, 2, 3, rng())


def test_lines_between_inputs_as_they_come(made):
    """Its ends are the first and the last half of one draw; in between the input moves in equal
    steps. (Without batch statistics a sample is a function of its input.)"""
    gan = made("loss=hinge", *RESNET)
    lines = sampling.along(gan, 2, 5, generator_for(3, "lines"))
    z = gan.latent(4, generator_for(3, "lines"))[0]
    with torch.no_grad():
        for row in range(2):
            for step in range(5):
                between = (1 - step / 4) * z[row] + step / 4 * z[2 + row]
                torch.testing.assert_close(
                    lines[row, step], gan.ema(between[None])[0], rtol=0, atol=1e-5
                )


def test_lines_within_a_class_end_in_it(made):
    gan = made("loss=am_gan", "labels=predefined", *RESNET)
    rng = generator_for(3, "lines")
    seen = []
    ema = gan.ema.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan.ema, "forward", lambda z: seen.append(z) or ema(z))
        sampling.along(gan, 2, 3, rng, within=4)
    for inputs in seen[-2:]:
        assert inputs[:3, LATENT:].argmax(1).tolist() == [4, 4, 4]
        assert not torch.equal(inputs[0], inputs[2])
