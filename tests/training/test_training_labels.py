"""Chapter 4 as runs: which loss goes with which labels, what they leave behind, and that they
repeat exactly."""

from __future__ import annotations

import functools
import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from gan_lab import build, config
from gan_lab.data import Digits, load
from gan_lab.data.resident import ResidentData, ResidentLoader
from gan_lab.errors import UserError
from gan_lab.losses import ClassLoss, GuidedLoss
from gan_lab.training.randomness import fold, generator_for
from helpers.gan_runs import (
    DCGAN,
    Killed,
    checkpoint,
    compose,
    content,
    kill_after,
    metrics,
    record,
    resume,
    steps_of,
    train,
    traits,
    weights,
)
from helpers.registry import instantiate, options

K = 10  # classes of the digits
MADE = {option: instantiate("loss", option) for option in options("loss")}
WITH_CLASSES = [option for option, loss in MADE.items() if isinstance(loss, ClassLoss)]
SCALAR = next(option for option, loss in MADE.items() if not isinstance(loss, ClassLoss))
SCORED = ("evaluation=classifier", "evaluation.extractor.recipe.epochs=1", "evaluation.batch_size=25",
          "evaluation.extractor.recipe.network.width=4", "evaluation.samples=60", "evaluation.samples_in_training=40",
          "evaluation.splits=2", "evaluate_every=5")  # fmt: skip


def gives_targets(labels: str) -> bool:
    """Asked of the object itself."""
    targets = instantiate("labels", labels, K)
    _, drawn = targets.draw(torch.zeros(3, 2), torch.Generator())
    try:
        return targets.of(torch.eye(K)[:3], drawn).shape == (3,)
    except AssertionError:
        return False


PAIRS = list(product(WITH_CLASSES, options("labels")))
FITTING = [
    (loss, labels) for loss, labels in PAIRS if MADE[loss].needs_targets == gives_targets(labels)
]
OTHERS = [pair for pair in PAIRS if pair not in FITTING]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """run(*overrides): a run of 10 steps with one critic step each, made once for each set of
    overrides."""
    made = {}

    def run(*overrides: str) -> Path:
        if overrides not in made:
            made[overrides] = train(tmp_path_factory.mktemp("runs") / "run", "n_critic=1", "max_generator_steps=10",
                                    "log_every=5", *overrides)  # fmt: skip
        return made[overrides]

    return run


@pytest.fixture(scope="module")
def digits():
    return load(Digits(), None)


def on_dcgan(loss: str, labels: str) -> tuple[str, ...]:
    return f"loss={loss}", f"labels={labels}", "penalty=none", *DCGAN


@functools.cache
def _composed(dcgan: bool) -> DictConfig:
    return compose("penalty=none", *(DCGAN if dcgan else ()))


def config_with(dcgan: bool = True, **chosen: str) -> DictConfig:
    """A config whose groups hold these options: composed once, since a composition takes a good
    part of a second."""
    result = _composed(dcgan).copy()
    for group, option in chosen.items():
        result[group] = OmegaConf.create(_whole(group, option))
    return result


def _whole(group: str, option: str) -> dict[str, Any]:
    """The content of an option, with the options of the same group that it takes into it."""
    own = dict(content(group, option))
    for default in own.pop("defaults", []):
        ((place, part),) = default.items()
        own[place.partition("@")[2]] = _whole(group, part)
    return own


# Which goes with which ----------------------------------------------------------------------------


def test_the_models_of_chapter_4_are_options_with_classes():
    assert set(WITH_CLASSES) >= {
        "gan_star",
        "ac_gan",
        "ac_gan_plus",
        "label_gan",
        "am_gan",
        "cat_gan",
    }
    assert MADE["gan"] == MADE["nonsaturating"]


@pytest.mark.parametrize("option", options("loss"))
def test_the_traits_of_a_loss_are_those_of_its_object(option):
    told = traits("loss", option)
    assert set(told) <= {"targets", "score"}
    assert told.get("targets", False) == MADE[option].needs_targets
    assert told.get("score", True) == MADE[option].has_score


@pytest.mark.parametrize("option", options("labels"))
def test_the_traits_of_labels_are_those_of_their_object(option):
    """And the network of 4.B has its extra layer where the class is drawn beforehand."""
    assert traits("labels", option) == {"targets": gives_targets(option)}
    predefined = instantiate("labels", option, K).conditions > 0
    assert content("labels", option)["recipe"] == {"extra_layer": predefined}
    loss = next(loss for loss in WITH_CLASSES if MADE[loss].needs_targets == gives_targets(option))
    composed = config_with(loss=loss, labels=option)
    config.check(composed)
    assert composed.architecture.extra_layer == predefined


def is_finished(run_dir: Path, steps: int, has_norm: bool) -> None:
    kept = record(run_dir)
    assert (kept["status"], kept["generator_steps"], kept["critic_steps"]) == (
        "finished",
        steps,
        steps,
    )
    for line in [*metrics(run_dir), dict(kept["last_metrics"])]:
        k = line.pop("gradient_norm")
        assert k > 0 if has_norm else k == "nan"
        assert all(math.isfinite(value) for value in line.values())


@pytest.mark.parametrize(("loss", "labels"), FITTING, ids=map("-".join, FITTING))
def test_every_pair_that_fits_trains_on_the_dcgan(loss, labels, runs):
    """With the recipe's noise, dropout and batch norm; what it leaves says which classes there
    were."""
    run_dir = runs(*on_dcgan(loss, labels))
    is_finished(run_dir, 10, has_norm=False)
    kept, told = record(run_dir), json.loads((run_dir / "generator.json").read_text())
    assert (kept["choices"]["loss"], kept["choices"]["labels"]) == (loss, labels)
    assert (kept["dataset"]["labelled"], kept["dataset"]["num_classes"]) == (1438, K)
    assert told["conditions"] == (K if labels == "predefined" else 0)
    assert told["batch_norm_statistics"] == "of batches of 16 samples"
    # 8×8: linear to 4×4×8, two more layers; a class more is an input more of the first
    assert (
        kept["parameters"]["generator"]
        == 128 * (100 + told["conditions"]) + 256 + 16 + 8 * 4 * 9 + 16 + 36 + 2
    )
    outputs = MADE[loss].outputs(K)
    extra = 8 * 8 * 9 + 32 if kept["config"]["architecture"]["extra_layer"] else 0
    assert (
        kept["parameters"]["critic"] == 36 + 16 + 4 * 8 * 9 + 32 + extra + 8 * outputs + 2 * outputs
    )
    assert kept["config"]["architecture"]["extra_layer"] == (labels == "predefined")
    assert np.asarray(Image.open(run_dir / "samples/step_10.png")).shape == (
        8 * 50 + 2,
        8 * 50 + 2,
        3,
    )
    assert np.asarray(Image.open(run_dir / "samples/classes_10.png")).shape == (
        K * 50 + 2,
        10 * 50 + 2,
        3,
    )


@pytest.mark.parametrize(("loss", "labels"), FITTING, ids=map("-".join, FITTING))
def test_every_pair_that_fits_trains_on_the_resnet_with_maxgp(loss, labels, runs):
    """CatGAN, which has no score, without it."""
    scored = MADE[loss].has_score
    run_dir = runs(f"loss={loss}", f"labels={labels}", f"penalty={'maxgp' if scored else 'none'}")
    is_finished(run_dir, 10, has_norm=scored)
    told = json.loads((run_dir / "generator.json").read_text())
    assert told["batch_norm_statistics"] == "running"
    assert (run_dir / "samples/classes_10.png").exists()


@pytest.mark.parametrize(("loss", "labels"), OTHERS, ids=map("-".join, OTHERS))
def test_every_other_pair_is_refused_and_the_remedy_works(loss, labels):
    with pytest.raises(UserError) as refused:
        config.check(config_with(loss=loss, labels=labels))
    message = str(refused.value)
    assert "\n" not in message
    named = [option for option in options("labels") if f"labels={option}" in message]
    assert named == sorted(option for option in options("labels") if (loss, option) in FITTING)
    for option in named:
        config.check(config_with(loss=loss, labels=option))


@pytest.mark.parametrize("option", [option for option in MADE if option not in WITH_CLASSES])
def test_a_loss_without_classes_takes_no_targets_and_leaves_no_classes(option, runs):
    for labels in options("labels"):
        composed = config_with(loss=option, labels=labels)
        if gives_targets(labels):
            with pytest.raises(UserError, match="labels=none"):
                config.check(composed)
        else:
            config.check(composed)
    if option == SCALAR:
        run_dir = runs(f"loss={option}", "penalty=none", *DCGAN)
        assert steps_of(run_dir, "samples", ".png") == [10]
        assert not list((run_dir / "samples").glob("classes_*"))
        assert record(run_dir)["dataset"]["labelled"] == 1438
        assert json.loads((run_dir / "generator.json").read_text())["conditions"] == 0


# Penalties ----------------------------------------------------------------------------------------

WEIGHED = [option for option in options("penalty") if traits("penalty", option).get("gradient")]


@pytest.mark.parametrize("penalty", WEIGHED)
def test_a_gradient_penalty_needs_a_score_of_one_sample(penalty):
    am_gan = {"loss": "am_gan", "labels": "dynamic", "penalty": penalty}
    config.check(config_with(dcgan=False, **am_gan))
    with_batch_norm = config_with(**am_gan)
    with pytest.raises(UserError, match=r"architecture\.critic_batch_norm=false") as refused:
        config.check(with_batch_norm)
    assert "penalty=none" in str(refused.value)
    with_batch_norm.architecture.critic_batch_norm = False
    config.check(with_batch_norm)
    with pytest.raises(UserError, match="penalty=none"):
        config.check(config_with(dcgan=False, loss="cat_gan", penalty=penalty))


def test_am_gan_with_maxgp_trains_on_a_dcgan_without_batch_norm_in_its_critic(runs):
    run_dir = runs(
        "loss=am_gan",
        "labels=dynamic",
        "penalty=maxgp",
        *DCGAN,
        "architecture.critic_batch_norm=false",
    )
    is_finished(run_dir, 10, has_norm=True)
    assert record(run_dir)["last_metrics"]["penalty"] > 0


def test_without_penalty_k_is_measured_where_a_sample_has_a_gradient_of_its_own(runs):
    without = ("loss=am_gan", "labels=dynamic", "penalty=none")
    is_finished(runs(*without, *DCGAN, "architecture.critic_batch_norm=false"), 10, has_norm=True)
    is_finished(runs(*without), 10, has_norm=True)


@pytest.mark.parametrize(("norm", "shown"), [("true", False), ("false", True)])
def test_k_is_printed_only_where_it_is_known(norm, shown, tmp_path, capsys):
    train(tmp_path / "run", *on_dcgan("am_gan", "dynamic"), f"architecture.critic_batch_norm={norm}", "n_critic=1",
          "max_generator_steps=2", "log_every=1")  # fmt: skip
    told = capsys.readouterr().out
    assert "generator step 2/2" in told
    assert ("gradient norm" in told) == shown
    assert ("  k " in told) == shown
    assert "nan" not in told


@pytest.mark.parametrize(
    "overrides", [("loss=cat_gan",), (*on_dcgan("am_gan", "dynamic"), "penalty=maxgp")], ids=str
)
def test_a_penalty_of_weight_0_trains_or_is_refused_before_it_begins(overrides, tmp_path):
    """penalty.weight=0 is how a sweep over weights spells "none"; k of a critic with batch norm is
    no number."""
    refusal = ""
    try:
        train(
            tmp_path / "run", *overrides, "penalty.weight=0", "n_critic=1", "max_generator_steps=2"
        )
    except UserError as error:
        refusal = str(error)
    if refusal:
        assert "penalty=none" in refusal
        assert not (tmp_path / "run").exists()
    else:
        is_finished(tmp_path / "run", 2, has_norm=False)


# The experiments ----------------------------------------------------------------------------------


def test_am_gan_is_the_recipe_of_4_b():
    composed = compose("experiment=am_gan", "dataset=cifar10")
    config.check(composed)
    assert (composed.batch_size, composed.generator_batch_size, composed.n_critic) == (100, 100, 1)
    assert (composed.ema_decay, composed.max_generator_steps) == (0, 1_000_000)
    assert composed.loss._target_ == "gan_lab.losses.am_gan"
    assert composed.labels._target_ == "gan_lab.losses.targets.Dynamic"
    assert "weight" not in composed.penalty
    architecture = build.make("architecture", composed.architecture)
    assert (
        architecture.generator_channels,
        architecture.critic_channels,
        architecture.latent_dim,
    ) == (96, 64, 100)
    assert (architecture.extra_layer, architecture.critic_batch_norm) == (False, True)
    assert (architecture.noise, architecture.dropout) == (0.1, 0.3)


@pytest.mark.parametrize(
    ("experiment", "critic_rate"), [("am_gan", 4e-4), ("as_published_code", 8e-4)]
)
def test_the_optimizers_and_their_staircase(experiment, critic_rate, digits):
    """Adam(0.5, 0.999) at 4e-4, halved every 100,000 steps; the program's critic at twice that."""
    gan = build.gan(compose(f"experiment={experiment}", "dataset=cifar10", *DCGAN), digits.spec)
    for optimizer, rate in zip(gan.configure_optimizers(), (4e-4, critic_rate), strict=True):
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.Adam)
        assert (group["lr"], tuple(group["betas"])) == (rate, (0.5, 0.999))
        assert not group["amsgrad"]
    steps = (0, 99_999, 100_000, 199_999, 200_000, 999_999)
    assert [gan.schedule(step, 1_000_000) for step in steps] == pytest.approx(
        [1, 1, 0.5, 0.5, 0.25, 0.5**9]
    )
    assert (gan.settings.ema_decay, gan.settings.n_critic, gan.settings.batch_size) == (0, 1, 100)


def swept(experiment: str) -> dict[str, list[str]]:
    """The fields that an experiment sweeps and their values, with what it has from the experiment
    it is made of."""
    about = content("experiment", experiment)
    fields = {}
    for name in about.get("defaults") or []:
        if isinstance(name, str) and name in options("experiment"):
            fields |= swept(name)
    own = ((about.get("hydra") or {}).get("sweeper") or {}).get("params") or {}
    return fields | {key: str(values).split(",") for key, values in own.items()}


@functools.cache
def cells(experiment: str) -> dict[tuple[str, ...], DictConfig]:
    """The configs of an experiment's sweep over everything but seeds, by their overrides."""
    names = [
        [f"{key}={value}" for value in values]
        for key, values in swept(experiment).items()
        if key != "seed"
    ]
    return {cell: compose(f"experiment={experiment}", *cell) for cell in product(*names)}


def of_chapter_4(experiment: str) -> bool:
    return "am_gan" in (content("experiment", experiment).get("defaults") or []) or any(
        isinstance(name, str) and name in options("experiment") and of_chapter_4(name)
        for name in content("experiment", experiment).get("defaults") or []
    )


@pytest.mark.parametrize(
    "experiment", [option for option in options("experiment") if of_chapter_4(option)]
)
def test_every_cell_of_an_experiment_of_chapter_4_is_accepted(experiment):
    for composed in cells(experiment).values():
        config.check(composed)
        build.make("architecture", composed.architecture)
        build.make("loss", composed.loss)
        assert (composed.n_critic, composed.batch_size, composed.ema_decay) == (1, 100, 0)
        assert "weight" not in composed.penalty


@pytest.mark.parametrize("small", ["", "_small"])
def test_the_experiments_of_table_4_1_hold_all_its_cells(small):
    """Six models in two columns; those without targets have the network with the extra layer as
    "predefined"."""
    columns = []
    for name in ("table_4_1", "table_4_1_no_targets"):
        assert swept(name + small)["seed"] == (["0", "1"] if small else ["0", "1", "2"])
        for cell, composed in cells(name + small).items():
            loss = next(o for o in cell if o.startswith("loss=")).removeprefix("loss=")
            columns.append((loss, composed.architecture.extra_layer))
            assert composed.max_generator_steps == (2500 if small else 1_000_000)
            assert MADE[loss].needs_targets == (name == "table_4_1")
    models = ("gan", "gan_star", "ac_gan", "ac_gan_plus", "label_gan", "am_gan")
    assert sorted(columns) == sorted(product(models, (False, True)))


def test_the_remarks_of_4_7_2_and_table_4_3():
    original = cells("table_4_1_ac_gan_original")
    assert [composed.architecture.extra_layer for composed in original.values()] == [False, True]
    for composed in original.values():
        assert (composed.loss.original, composed.loss.generator_classifier_weight) == (True, 1)
    (weighed,) = cells("table_4_1_ac_gan_weight").values()
    assert (weighed.loss.original, weighed.loss.generator_classifier_weight) == (False, 0.1)
    assert weighed.architecture.extra_layer is True
    (wide,) = cells("table_4_3").values()
    assert (wide.architecture.critic_channels, wide.architecture.generator_channels) == (96, 96)


# A step by hand -----------------------------------------------------------------------------------


def cross_entropy(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return (logits.logsumexp(1) - logits[torch.arange(len(logits)), classes]).mean()


@pytest.mark.parametrize("labels", ["dynamic", "predefined"])
@pytest.mark.parametrize("loss", ["am_gan", "ac_gan"])
def test_the_first_step_by_hand(loss, labels, digits, tmp_path):
    """J_D and J_G of the thesis on the very noise of step 0, real and fake passing the critic
    apart; rates of 0."""
    overrides = (f"loss={loss}", f"labels={labels}", "penalty=none", *DCGAN, "n_critic=1", "max_generator_steps=1",
                 "optimizer.lr=0", "log_every=1", "generator_batch_size=12", "architecture.latent_dim=6")  # fmt: skip
    run_dir = train(tmp_path / "run", *overrides)
    composed = compose(*overrides, "batch_size=16", "evaluation=off")
    gan = build.gan(composed, digits.spec, digits).train()
    real, classes = next(iter(ResidentLoader(ResidentData.place(digits, "cpu"), 16, 1, 0, stop=1)))
    rng = generator_for(0, "step", 0)
    torch.manual_seed(fold(0, "global", 0))

    def fake(size):
        z = torch.randn(size, 6, generator=rng)
        if labels == "dynamic":
            return gan.generator(z), None
        drawn = torch.randint(K, (size,), generator=rng)
        return gan.generator(torch.cat([z, F.one_hot(drawn, K)], 1)), drawn

    def score(logits):
        return logits[:, K] if loss == "ac_gan" else logits.logsumexp(1)

    def aimed(logits, drawn):
        return cross_entropy(logits[:, :K], logits[:, :K].argmax(1) if drawn is None else drawn)

    with torch.no_grad():
        images, drawn = fake(16)
        on_real, on_fake = gan.critic(real[0]), gan.critic(images)
        critic_loss = F.softplus(-score(on_real)).mean() + F.softplus(score(on_fake)).mean()
        critic_loss += cross_entropy(on_real[:, :K], classes[0])
        images, drawn = fake(12)
        logits = gan.critic(images)
        generator_loss = F.softplus(-score(logits)).mean() + aimed(logits, drawn)
    (line,) = metrics(run_dir)
    assert line["critic_loss"] == pytest.approx(critic_loss.item(), rel=1e-5)
    assert line["generator_loss"] == pytest.approx(generator_loss.item(), rel=1e-5)


def test_the_networks_begin_scaled_by_the_first_batch(digits):
    """Layers of the critic have mean 0 and variance 1 on the first batch of the run; the EMA begins
    where G does."""
    overrides = (*on_dcgan("am_gan", "dynamic"), "architecture.noise=0", "architecture.dropout=0", "batch_size=16",
                 "generator_batch_size=16", "n_critic=2")  # fmt: skip
    gan = build.gan(compose(*overrides), digits.spec, digits)
    real, _ = next(iter(ResidentLoader(ResidentData.place(digits, "cpu"), 16, 2, 0, stop=1)))
    seen = []
    for module in gan.critic:
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(
                lambda _, __, out: seen.append(out.transpose(0, 1).flatten(1))
            )
    with torch.no_grad():
        gan.critic(real[0])
    assert len(seen) == 3
    for values in seen:
        torch.testing.assert_close(values.mean(1), torch.zeros(len(values)), rtol=0, atol=1e-5)
        torch.testing.assert_close(
            values.var(1, correction=0), torch.ones(len(values)), rtol=0, atol=1e-4
        )
    averages = gan.ema.average.state_dict()
    assert all(
        torch.equal(value, averages[key]) for key, value in gan.generator.state_dict().items()
    )
    unscaled = build.gan(compose(*overrides), digits.spec)
    assert not all(map(torch.equal, unscaled.critic.parameters(), gan.critic.parameters()))


def test_data_do_not_touch_the_weights_of_other_networks(digits):
    with_data = build.gan(compose("architecture.channels=8"), digits.spec, digits)
    without = build.gan(compose("architecture.channels=8"), digits.spec)
    for mine, other in zip(
        with_data.state_dict().values(), without.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=0, atol=0, equal_nan=True)


# Partly labelled data -----------------------------------------------------------------------------

SEMI = [
    (("am_gan", "dynamic"), ("supervision.labelled_fraction=0.1",), 0.1, K, None),
    (
        ("ac_gan", "predefined"),
        ("supervision.labelled_fraction=0.1", "supervision.reference_distribution=uniform"),
        0.1,
        K,
        K,
    ),
    (
        ("label_gan", "none"),
        ("supervision.labelled_fraction=0.1", "supervision.reference_distribution=data"),
        0.1,
        K,
        "data",
    ),
    (("am_gan", "dynamic"), ("supervision.labelled_fraction=0",), 0, K, K),
    (
        ("am_gan", "predefined"),
        ("supervision.labelled_fraction=0", "supervision.num_classes=4"),
        0,
        4,
        4,
    ),
    (
        ("cat_gan", "none"),
        ("supervision.labelled_fraction=0", "supervision.num_classes=4"),
        0,
        4,
        None,
    ),
    (("gan_star", "none"), ("supervision.reference_distribution=uniform",), 1, K, K),
]


@pytest.mark.parametrize(
    ("pair", "more", "fraction", "classes", "reference"), SEMI, ids=[f"{s[0]}{s[1]}" for s in SEMI]
)
def test_semi_supervised_and_unsupervised_runs(
    pair, more, fraction, classes, reference, runs, digits
):
    """p_ref: as asked, uniform where LabelLoss has no label at all, else none."""
    run_dir = runs(*on_dcgan(*pair), *more)
    is_finished(run_dir, 10, has_norm=False)
    kept = record(run_dir)["dataset"]
    counts = np.bincount(digits.splits["train"].labels)
    assert kept["labelled"] == sum(round(fraction * int(n)) for n in counts)
    assert kept["num_classes"] == classes
    assert kept["label_histogram"]["train"] == counts.tolist()
    composed = compose(*on_dcgan(*pair), *more, "batch_size=16")
    fed = build.training_data(composed, digits)
    gan = build.gan(composed, fed.spec, digits)
    assert gan.targets.num_classes == classes
    labels = fed.splits["train"].labels
    known = labels >= 0
    assert (labels[known] == digits.splits["train"].labels[known]).all()
    assert known.sum() == kept["labelled"]
    if reference is None:
        assert not isinstance(gan.loss, GuidedLoss)
    else:
        expected = (
            counts / counts.sum() if reference == "data" else np.full(reference, 1 / reference)
        )
        np.testing.assert_allclose(gan.loss.reference, expected, rtol=1e-12)


def test_fewer_labels_are_told_and_make_another_run(tmp_path, runs, digits, capsys):
    few = train(tmp_path / "run", *on_dcgan("am_gan", "dynamic"), "supervision.labelled_fraction=0.1", "n_critic=1",
                "max_generator_steps=10", "log_every=5")  # fmt: skip
    labelled = sum(round(0.1 * int(n)) for n in np.bincount(digits.splits["train"].labels))
    assert f"labels used: {labelled} of 1,438, 10 classes" in capsys.readouterr().out
    all_of_them = runs(*on_dcgan("am_gan", "dynamic"))
    assert weights(few) != weights(all_of_them)
    assert record(few)["config_hash"] != record(all_of_them)["config_hash"]


# Scores -------------------------------------------------------------------------------------------


def test_scores_and_their_terms(runs):
    run_dir = runs(*on_dcgan("am_gan", "dynamic"), *SCORED)
    kept = record(run_dir)
    ends = {name: [point[0] for point in points] for name, points in kept["history"].items()}
    assert set(ends) == {
        "is_classifier_40_2x", "is_classifier_40_2x.marginal_entropy", "is_classifier_40_2x.conditional_entropy",
        "am_classifier_40", "am_classifier_40.marginal_divergence", "am_classifier_40.conditional_entropy",
        "entropy_classifier_40", "msssim_abs_4level_200pairs_own_40",
        "fid_classifier_40_train", "fid_classifier_40_test",
    }  # fmt: skip
    assert all(steps == [5, 10] for steps in ends.values())
    newest = {name: float(points[-1][1]) for name, points in kept["history"].items()}
    logged = metrics(run_dir)[-1]
    assert all(
        float(logged[name]) == pytest.approx(value, nan_ok=True) for name, value in newest.items()
    )
    am = [
        newest[f"am_classifier_40{term}"]
        for term in ("", ".marginal_divergence", ".conditional_entropy")
    ]
    assert am[0] == pytest.approx(am[1] + am[2], rel=1e-6)
    for name, entry in kept["scores"].items():
        assert (entry["batch_norm_statistics"], entry["batch_size"]) == (
            "of batches of 16 samples",
            25,
        ), name
    entropy, similarity = (
        kept["scores"]["entropy_classifier_60"],
        kept["scores"]["msssim_abs_4level_200pairs_own_60"],
    )
    assert sum(entropy["histogram"]) == 60
    assert entropy["std"] is None
    mean = sum(
        n * float(h) for n, h in zip(entropy["histogram"], entropy["per_class"], strict=True) if n
    )
    assert entropy["value"] == pytest.approx(mean / 60, rel=1e-9)
    assert [value == "nan" for value in entropy["per_class"]] == [
        n == 0 for n in entropy["histogram"]
    ]
    assert [value == "nan" for value in similarity["per_class"]] == [
        n == 0 for n in similarity["pairs_per_class"]
    ]
    assert similarity["classes"].startswith("the critic's own label in eval mode")
    known = [value for value in similarity["per_class"] if value != "nan"]
    assert similarity["value"] == pytest.approx(max(known))
    assert similarity["mean"] == pytest.approx(sum(known) / len(known))


def test_scoring_a_run_with_dropout_changes_nothing(runs):
    scored, unscored = (runs(*on_dcgan("am_gan", "dynamic"), *more) for more in (SCORED, ()))
    assert weights(scored) == weights(unscored)
    assert record(scored)["config_hash"] == record(unscored)["config_hash"]
    assert (scored / "samples/classes_10.png").read_bytes() == (
        unscored / "samples/classes_10.png"
    ).read_bytes()


def test_how_often_pictures_are_drawn_changes_nothing(runs):
    often = runs(
        *on_dcgan("am_gan", "predefined"), "sample_every=3", "log_every=1", "checkpoint_every=4"
    )
    seldom = runs(*on_dcgan("am_gan", "predefined"))
    assert weights(often) == weights(seldom)
    drawn = {path.name for path in (often / "samples").iterdir()}
    assert drawn == {
        f"{kind}_{step}.png" for kind, step in product(("step", "classes"), (3, 6, 9, 10))
    }


# Again, and resumed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "more"),
    [("dynamic", ()), ("predefined", ()), ("dynamic", ("supervision.labelled_fraction=0.1",))],
    ids=["dynamic", "predefined", "partly labelled"],
)
def test_a_run_that_died_resumes_exactly_and_the_same_seed_gives_the_same_bytes(
    labels, more, tmp_path, monkeypatch
):
    """With dropout and noise on; 8 steps at once, and 6 of which the last 2 are lost with the
    checkpoint of step 4."""
    recipe = ("experiment=am_gan", f"labels={labels}", *DCGAN, "batch_size=16", "generator_batch_size=16",
              "max_generator_steps=8", "checkpoint_every=4", "log_every=1", "sample_every=4", *more)  # fmt: skip
    straight = train(tmp_path / "straight", *recipe)
    kept = record(straight)
    assert (kept["config"]["architecture"]["noise"], kept["config"]["architecture"]["dropout"]) == (
        0.1,
        0.3,
    )
    kill_after(monkeypatch, 6)
    with pytest.raises(Killed):
        train(tmp_path / "killed", *recipe)
    first = metrics(tmp_path / "killed")
    assert first == metrics(straight)[:6]  # the same seed
    resume(tmp_path / "killed")
    assert record(tmp_path / "killed")["resumed_from_step"] == 4
    assert weights(tmp_path / "killed") == weights(straight)
    assert metrics(tmp_path / "killed") == metrics(straight)
    mine, its = checkpoint(tmp_path / "killed", 8)["module"], checkpoint(straight, 8)["module"]
    assert mine.keys() == its.keys()
    assert all(torch.equal(mine[key], its[key]) for key in its)
    for path in (straight / "samples").iterdir():
        assert (tmp_path / "killed/samples" / path.name).read_bytes() == path.read_bytes()


def test_the_pictures_of_another_seed_are_others(runs):
    one, other = (runs(*on_dcgan("am_gan", "predefined"), *more) for more in ((), ("seed=1",)))
    assert weights(one) != weights(other)
    assert (one / "samples/classes_10.png").read_bytes() != (
        other / "samples/classes_10.png"
    ).read_bytes()
