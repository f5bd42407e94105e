"""The option files of conf/penalty against the exports of gan_lab.penalties, and the contract for
every option."""

from __future__ import annotations

import importlib
import inspect
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

import gan_lab.penalties
from gan_lab.errors import UserError
from gan_lab.penalties import GradientPenalty, MaxGradientPenalty, Penalty
from gan_lab.penalties.regions import REGIONS
from helpers.penalty_probes import (
    ALL,
    CONSTRAINTS,
    MEASURING,
    Linear,
    Quadratic,
    Spy,
    batch,
    conv_critic,
    norms_of_quadratic,
    rng,
)
from helpers.registry import CONF, defaults, fields, instantiate, target, traits

STABLE = {"none", "maxgp", "gp", "lp", "dragan", "r1", "clip", "spectral"}


def test_names_other_programs_rely_on_are_options():
    assert set(ALL) >= STABLE


@pytest.mark.parametrize("option", ALL)
def test_an_option_file_is_the_signature_of_its_target(option):
    wanted = defaults("penalty", option)
    assert set(fields("penalty", option)) == set(wanted), (
        f"conf/penalty/{option}.yaml: write every one of {wanted}"
    )


@pytest.mark.parametrize("option", ALL)
def test_an_option_file_is_short(option):
    assert len((CONF / "penalty" / f"{option}.yaml").read_text().splitlines()) < 12


def test_every_exported_penalty_is_the_target_of_an_option():
    """An exported class is an option unless it is the contract itself; exported functions are
    tools. An option's target need not be exported: it may name its module."""
    exported = {getattr(gan_lab.penalties, name) for name in gan_lab.penalties.__all__}
    classes = {item for item in exported if inspect.isclass(item) and issubclass(item, Penalty)} - {
        Penalty
    }
    assert classes <= {target("penalty", option) for option in ALL}


def test_options_are_different():
    settings = [
        (target("penalty", option), sorted(fields("penalty", option).items())) for option in ALL
    ]
    assert all(settings.count(setting) == 1 for setting in settings)


def test_both_kinds_exist():
    assert MEASURING
    assert CONSTRAINTS


@pytest.mark.parametrize("option", ALL)
def test_the_trait_that_the_checks_of_a_config_read_is_whether_gradients_are_measured(option):
    assert traits("penalty", option).get("gradient", False) == (option in MEASURING)


@pytest.mark.parametrize("option", ALL)
class TestContract:
    def test_value_is_a_scalar_in_the_samples_precision(self, option):
        penalty = instantiate("penalty", option)
        for dtype in (torch.float32, torch.float64):
            critic = Linear([0.6, -0.8]).to(dtype)
            real, fake = (t.to(dtype) for t in batch(5, 2))
            value = penalty(critic, real, fake, rng())
            assert value.shape == ()
            assert value.dtype == dtype

    def test_gradient_flows_to_the_critic_only(self, option):
        """Neither to the samples nor, through the fake ones, to the generator that made them."""
        critic, generator = Quadratic([[1.0, 0.5], [-0.2, 2.0]]), nn.Linear(2, 2).double()
        real, noise = batch(5, 2)
        real.requires_grad_()
        fake = generator(noise)
        fake.retain_grad()
        value = instantiate("penalty", option)(critic, real, fake, rng())
        if value.requires_grad:
            value.backward()
        assert real.grad is None
        assert fake.grad is None
        assert all(p.grad is None for p in generator.parameters())
        assert (critic.a.grad is not None) == (option in MEASURING)
        assert value.requires_grad == (option in MEASURING)

    def test_samples_are_left_as_they_are(self, option):
        real, fake = batch(5, 2)
        copies = real.clone(), fake.clone()
        penalty = instantiate("penalty", option)
        penalty(Linear([0.6, -0.8]), real, fake, rng())
        penalty.observe(Linear([0.6, -0.8]), real, fake, rng())
        assert torch.equal(real, copies[0])
        assert torch.equal(fake, copies[1])
        assert not real.requires_grad
        assert not fake.requires_grad

    def test_last_norm_is_nan_before_the_first_call(self, option):
        penalty = instantiate("penalty", option)
        assert math.isnan(penalty.last_norm)
        assert penalty.last_norm.shape == ()

    def test_last_norm_is_the_largest_norm_of_the_call(self, option):
        a = np.array([[1.0, 0.5], [-0.2, 2.0]])
        penalty, spy = instantiate("penalty", option), Spy(Quadratic(a))
        for seed in range(3):
            spy.calls.clear()
            penalty(spy, *batch(7, 2, seed=seed), rng(seed))
            if option in CONSTRAINTS:
                assert math.isnan(penalty.last_norm)
                assert not spy.calls  # it need not look at the critic at all
                continue
            expected = norms_of_quadratic(a, torch.cat(spy.calls).numpy()).max()
            assert penalty.last_norm.item() == pytest.approx(expected, rel=1e-14, abs=0)
            assert penalty.last_norm.shape == ()
            assert not penalty.last_norm.requires_grad

    def test_observe_measures_on_interpolates(self, option):
        """u real + (1 - u) fake with one u in [0, 1] per pair; allowed within no_grad; leaves no
        gradient behind."""
        a = np.array([[1.0, 0.5], [-0.2, 2.0]])
        critic = Quadratic(a)
        penalty, spy, (real, fake) = instantiate("penalty", option), Spy(critic), batch(7, 2)
        with torch.no_grad():
            assert penalty.observe(spy, real, fake, rng()) is None
        (points,) = spy.calls
        u = (points - fake) / (real - fake)
        assert u[:, 0].numpy() == pytest.approx(u[:, 1].numpy(), rel=0, abs=1e-13)
        assert u.min() >= 0
        assert u.max() <= 1
        assert u[:, 0].diff().abs().min() > 1e-3  # each pair its own
        penalty.observe(spy, real, fake, rng())
        assert torch.equal(spy.calls[1], points)  # drawn from the generator
        assert penalty.last_norm.item() == pytest.approx(
            norms_of_quadratic(a, points.numpy()).max(), rel=1e-14, abs=0
        )
        assert not penalty.last_norm.requires_grad
        assert critic.a.grad is None

    def test_last_norm_is_not_part_of_the_state(self, option):
        penalty = instantiate("penalty", option)
        penalty(Linear([0.6, -0.8]), *batch(5, 2), rng())
        penalty.observe(Linear([0.6, -0.8]), *batch(5, 2), rng())
        assert "last_norm" not in penalty.state_dict()
        if target("penalty", option) in (MaxGradientPenalty, GradientPenalty):
            assert bool(penalty.state_dict()) == ("memory" in fields("penalty", option))

    def test_wrap_gives_the_same_critic_and_after_step_returns_nothing(self, option):
        critic, penalty = conv_critic(), instantiate("penalty", option)
        assert penalty.wrap(critic) is critic
        assert penalty.after_step(critic) is None

    def test_a_score_that_is_not_one_number_per_sample_is_refused(self, option):
        real, fake = batch(5, 2)
        between = {"region": "interpolates"} if "region" in fields("penalty", option) else {}
        for wrong in (lambda x: x, lambda x: x[:, :1], lambda x: x.sum(), lambda x: x[:4, 0]):
            with pytest.raises(UserError, match="for 5 samples"):
                instantiate("penalty", option).observe(wrong, real, fake)
            if option in MEASURING:
                with pytest.raises(UserError, match="for 5 samples"):
                    instantiate("penalty", option, **between)(wrong, real, fake)

    @pytest.mark.parametrize("norm", [nn.BatchNorm2d, nn.SyncBatchNorm])
    def test_batch_norm_in_the_critic(self, option, norm):
        """Refused where gradients are penalised, naming the layer and what to take instead;
        elsewhere allowed."""
        critic = nn.Sequential(nn.Conv2d(2, 4, 3), norm(4), nn.Flatten(), nn.Linear(64, 1))
        if option in CONSTRAINTS:
            assert instantiate("penalty", option).wrap(critic) is critic
            return
        with pytest.raises(UserError, match=r"batch norm \(1\) .*penalty="):
            instantiate("penalty", option).wrap(critic)
        if "weight" in fields("penalty", option):
            assert instantiate("penalty", option, weight=0.0).wrap(critic) is critic

    @pytest.mark.parametrize(
        "norm", [nn.Identity(), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm([4, 4, 4])]
    )
    def test_norms_within_a_sample_are_allowed(self, option, norm):
        critic = nn.Sequential(nn.Conv2d(2, 4, 3), norm, nn.Flatten(), nn.Linear(64, 1))
        assert instantiate("penalty", option).wrap(critic) is critic

    def test_a_field_that_the_target_does_not_have_is_refused(self, option):
        with pytest.raises(TypeError, match="wieght"):
            instantiate("penalty", option, wieght=7)


def typed(kind: type) -> list[tuple[str, str]]:
    """The fields whose value in an option file is of a kind."""
    every = [
        (option, field, value)
        for option in ALL
        for field, value in fields("penalty", option).items()
    ]
    return [(option, field) for option, field, value in every if type(value) is kind]


@pytest.mark.parametrize(("option", "field"), typed(float))
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_a_number_out_of_range_is_refused_by_name(option, field, value):
    with pytest.raises(UserError, match=rf"^{field}={value}"):
        instantiate("penalty", option, **{field: value})


@pytest.mark.parametrize(("option", "field"), typed(int))
@pytest.mark.parametrize("value", [-1, True])
def test_a_count_out_of_range_is_refused_by_name(option, field, value):
    """`penalty.memory=true` is no size: it would switch on an S_max of one point."""
    with pytest.raises(UserError, match=rf"^{field}={value}"):
        instantiate("penalty", option, **{field: value})


@pytest.mark.parametrize(
    ("option", "field"), [("clip", "clip"), ("spectral", "n_power_iterations")]
)
def test_zero_is_refused_where_it_makes_no_sense(option, field):
    with pytest.raises(UserError, match=rf"^{field}=0"):
        instantiate("penalty", option, **{field: 0})


@pytest.mark.parametrize(("option", "field"), typed(str))
def test_an_unknown_word_is_refused_with_the_choices(option, field):
    words = fields("penalty", option)[field]
    if field == "region":
        words = ", ".join(REGIONS)
    with pytest.raises(UserError, match=rf"^{field}=reel: .*{words}"):
        instantiate("penalty", option, **{field: "reel"})


@pytest.mark.parametrize(("option", "field"), typed(bool))
@pytest.mark.parametrize("value", ["no", "off", "flase"])
def test_a_switch_that_is_neither_true_nor_false_is_refused_by_name(option, field, value):
    """`penalty.one_sided=no` reaches the target as the word "no" (Hydra's grammar knows only true
    and false)."""
    with pytest.raises(UserError, match=rf"^{field}={value}"):
        instantiate("penalty", option, **{field: value})


@pytest.mark.parametrize("option", MEASURING)
def test_weight_and_target_zero_are_allowed(option):
    zero = {"weight": 0.0, "target": 0.0}
    taken = {name: zero[name] for name in zero if name in fields("penalty", option)}
    if "weight" not in taken:
        pytest.skip("without a weight it is never switched off")
    penalty = instantiate("penalty", option, **taken)
    assert penalty(Linear([0.6, -0.8]), *batch(5, 2), rng()).item() == 0


def test_the_penalty_of_the_page_is_what_it_says(tmp_path, monkeypatch):
    """f(x) = 3 x_1 + 4 x_2 has norm 5 everywhere: 10 |5 - 1| = 40. One for which f is a constant
    gives 10 |0 - 1| = 10."""
    page = (CONF.parent / "docs" / "extending.md").read_text()
    (code,) = re.findall(r"```python\n(# src/gan_lab/penalties/mine\.py\n.*?)```", page, re.DOTALL)
    (tmp_path / "penalty_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    penalty = importlib.import_module("penalty_of_the_page").Mine()
    real, fake = torch.ones(4, 2), torch.zeros(4, 2)
    assert penalty(lambda x: x @ torch.tensor([3.0, 4.0]), real, fake).item() == 40
    assert penalty.last_norm.item() == 5
    assert penalty(lambda x: (0 * x).sum(1), real, fake).item() == 10
