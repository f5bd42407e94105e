"""The programs that gan_lab's speed is measured with: what they compute and how they count."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from gan_lab.architectures import ResNet
from gan_lab.benchmarks import cost_model, devices, steps
from gan_lab.benchmarks.link import Link, measured_link
from gan_lab.benchmarks.measuring import seconds_of, summary
from gan_lab.benchmarks.peer import Apart, Peer
from gan_lab.benchmarks.steps import Operations, noise_data
from gan_lab.errors import UserError
from gan_lab.optim import AdaShift
from gan_lab.optim.memory import state_copies
from helpers.registry import CONF

DEVICE = torch.device("cpu")


def peer(channels: int = 4, side: int = 16) -> Peer:
    real = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Peer((3, side, side), channels, 8, 2, 3, 4, DEVICE, lambda: real)


def test_the_peer_trains_networks_of_table_2_3():
    """Their numbers of parameters are those of the thesis's networks at 32 pixels and 128
    channels."""
    made = Peer((3, 32, 32), 128, 128, 5, 64, 128, DEVICE, lambda: torch.zeros(0))
    counts = [
        sum(p.numel() for p in network.parameters()) for network in (made.generator, made.critic)
    ]
    assert counts == [1_204_483, 1_053_825]


def test_the_peers_critic_is_gan_labs_on_plain_layers():
    """The same weights give the same logits: pooling after a convolution, and in one with it."""
    torch.manual_seed(0)
    plain = peer().critic
    ours = ResNet(channels=4).critic(noise_data(16).spec, 1)
    names = sorted(ours.state_dict())
    assert names == sorted(plain.state_dict())
    ours.load_state_dict(plain.state_dict())
    images = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(ours(images), plain(images), rtol=1e-5, atol=1e-6)


def test_a_step_of_the_peer_moves_both_networks():
    torch.manual_seed(0)
    made = peer()
    before = [
        p.detach().clone()
        for network in (made.generator, made.critic)
        for p in network.parameters()
    ]
    made.step()
    after = [p for network in (made.generator, made.critic) for p in network.parameters()]
    weights = [
        not torch.equal(one, other)
        for one, other in zip(before, after, strict=True)
        if one.ndim > 1
    ]
    assert all(weights)
    assert all(torch.isfinite(torch.tensor(made.losses)))


def test_the_peers_process_answers_ends_with_its_block_and_says_when_it_failed():
    sizes = {"channels": 4, "latent_dim": 8, "n_critic": 2, "batch_size": 3}
    sizes |= {"generator_batch_size": 4}
    with Apart((3, 16, 16), sizes, DEVICE, threads=1) as apart:
        assert apart.seconds(1) > 0
        assert apart.seconds(2) > 0
        process = apart._process
        assert process.poll() is None
    assert process.poll() is not None
    with (
        Apart((3, 16, 16), sizes | {"latent_dim": -1}, DEVICE, threads=1) as apart,
        pytest.raises(RuntimeError, match="ended early"),
    ):
        apart.seconds(1)


def test_operations_are_counted_by_hand():
    """2 · 3 · 4 · 5 of a product; 2 n · out · in · 9 · H · W of a convolution; as much again for
    each gradient."""
    with Operations() as product:
        torch.ones(3, 4) @ torch.ones(4, 5)
    assert product.flop == 2 * 3 * 4 * 5
    images, kernel = (
        torch.randn(2, 3, 8, 8, requires_grad=True),
        torch.randn(5, 3, 3, 3, requires_grad=True),
    )
    with Operations() as operations:
        torch.nn.functional.conv2d(images, kernel, padding=1).sum().backward()
    assert operations.flop == 3 * (2 * 2 * 5 * 3 * 9 * 8 * 8)


def test_a_summary_compares_round_with_round():
    told = summary([2.0, 6.0, 4.0], [1.0, 2.0, 4.0])
    assert (told["median_s"], told["min_s"], told["max_s"]) == (4.0, 2.0, 6.0)
    assert told["ratio"] == {"median": 2.0, "min": 1.0, "max": 3.0}
    calls: list[int] = []
    assert seconds_of(lambda: calls.append(1), 3) >= 0
    assert len(calls) == 3


def test_the_state_of_an_optimizer_is_counted_in_copies_of_its_parameters():
    """A parameter of 100 floats: Adam keeps two copies and a float32 count; AdaShift n gradients, a
    second moment (of one number, with max) and an int64 count."""
    for kind, fields, numbers in (
        (torch.optim.Adam, {}, 2 * 100 + 1),
        (AdaShift, {"n": 10}, 10 * 100 + 1 + 2),
        (AdaShift, {"n": 3, "spatial": "none"}, 3 * 100 + 100 + 2),
    ):
        parameter = torch.nn.Parameter(torch.zeros(100))
        parameter.grad = torch.ones(100)
        optimizer = kind([parameter], **fields)
        optimizer.step()
        assert state_copies(optimizer) == pytest.approx(numbers / 100)


@pytest.mark.slow
def test_every_benchmark_runs_and_keeps_its_figures(tmp_path):
    small = [
        "--channels",
        "4",
        "--steps",
        "1",
        "--rounds",
        "2",
        "--threads",
        "1",
        "--n-critic",
        "1",
        "--seconds",
        "1",
        "--cells",
        "1",
        "2",
        "--devices",
        "1",
        "2",
    ]
    command = [
        sys.executable,
        str(CONF.parent / "scripts" / "benchmark.py"),
        "all",
        *small,
        "--json",
        str(tmp_path / "all.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    told = json.loads((tmp_path / "all.json").read_text())
    assert told.keys() == {
        "machine",
        "model",
        "step",
        "penalties",
        "optimizers",
        "scores",
        "data",
        "cells",
        "devices",
    }
    assert {"gan_lab", "bare loop", "peer"} <= told["step"][0].keys()
    assert told["machine"]["hardware"]["processor"]
    of_optimizers = told["optimizers"]
    assert of_optimizers["foreach Adam"]["step"]["ratio"]["max"] == 1
    assert of_optimizers["adashift, n = 10"]["step"]["ratio"]["median"] > 0
    for its, count in zip(told["cells"], (1, 2), strict=True):
        assert its["total_steps_per_s"] == pytest.approx(sum(its["steps_per_s"]))
        assert len(its["steps_per_s"]) == its["cells"] == count
    assert "GFLOP/s" in done.stdout


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize(("penalty", "beyond"), [("none", 1e-12), ("maxgp", 0.005), ("gp", 0.02)])
def test_the_cost_model_counts_what_a_step_multiplies(side, penalty, beyond):
    """Against torch's own formulas on the operators that a step calls.

    Where the gradient is differentiated, the model counts six passes of every layer; the first and
    the last need five.
    """
    overrides = [
        f"penalty={penalty}",
        "architecture.channels=8",
        "n_critic=2",
        "batch_size=6",
        "generator_batch_size=4",
    ]
    config = steps.composed(*overrides)
    rounds = steps.Rounds(1, 1, {})
    steps.fit(config, noise_data(side), [rounds], stop=rounds.total)
    parts = cost_model.step_parts(
        8, side, n_critic=2, batch_size=6, generator_batch_size=4, penalty=penalty
    )
    assert rounds.flop == pytest.approx(cost_model.total(parts).flop, rel=beyond)


def test_the_cost_model_at_thesis_size():
    """1.35 TFLOP with MaxGP and 1.75 with GP: counted by hand for the same sizes with other
    tools."""
    maxgp, gp = (
        cost_model.total(cost_model.step_parts(penalty=penalty)).flop for penalty in ("maxgp", "gp")
    )
    assert maxgp == pytest.approx(1.35e12, rel=0.02)
    assert gp == pytest.approx(1.75e12, rel=0.02)


# Simulated devices --------------------------------------------------------------------------------


def test_a_sum_over_a_ring_by_hand():
    """Of 4 devices: 6 turns with a quarter of the numbers each."""
    link = Link(latency=2.0, per_number=0.5)
    assert link.all_reduce(1, 1000) == 0
    assert link.all_reduce(4, 8) == 6 * (2.0 + 0.5 * 2)


def test_a_device_sends_its_gradients_once_for_every_move():
    """The gradients of both networks, and smaller messages; nobody else is there to answer."""
    tiny = ["loss=exp", "penalty=maxgp", "architecture.channels=4", "n_critic=3", "batch_size=8",
            "generator_batch_size=8", "trainer=cpu", "optimizer.lr=2e-4"]  # fmt: skip
    alone, fourth = (devices.share(tiny, 16, count, rounds=1) for count in (1, 4))
    assert alone.messages == {}
    assert not torch.distributed.is_initialized()

    networks = ResNet(channels=4)
    spec = noise_data(16).spec
    critic, generator = (
        sum(p.numel() for p in network.parameters())
        for network in (networks.critic(spec, 1), networks.generator(spec))
    )
    assert fourth.messages[critic] == 3
    assert fourth.messages[generator] == 1
    assert devices.seconds_of_messages(fourth, Link(0.0, 1.0), 4) > 1.5 * critic


def test_two_processes_measure_what_a_message_costs():
    link = measured_link()
    assert 0 < link.latency < 10
    assert 0 <= link.per_number < 1


@pytest.mark.parametrize("count", [3, 128])
def test_devices_that_cannot_share_a_batch_are_refused(count):
    with pytest.raises(UserError, match=f"--devices {count}: batches of 64 and 128"):
        devices.share(["trainer=cpu"], 16, count, rounds=1)
