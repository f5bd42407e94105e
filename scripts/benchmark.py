"""`python scripts/benchmark.py step`: what gan_lab's parts cost on this machine, beside other ways
to do the same.

step        seconds of a generator step under the Trainer, beside a bare loop of the same step
            (exp + maxgp, fp32) and a WGAN-GP step as public frameworks write it; FLOP/s beside the
            device's own
penalties   what each penalty adds to the critic's loss and its gradients
optimizers  a step of each optimizer on the critic's parameters
scores      IS, AM and FID beside the extractor's forward pass; memory of scoring
data        drawing batches
model       no measurement: FLOP and bytes of a generator step by part, from the sizes of the layers
cells       generator steps a second of 1, 2, 4 and 8 runs at once (32 pixels, the first width and
            precision)
all         all of them

Programs that are compared take turns in one process. Every figure says median, smallest and largest
of the rounds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from gan_lab import build
from gan_lab.benchmarks import cost_model, measuring, parts, scores, steps, throughput
from gan_lab.benchmarks.bare import Bare
from gan_lab.benchmarks.peer import Peer
from gan_lab.data import LoadedData
from gan_lab.data.resident import ResidentData
from gan_lab.files import write_atomically
from gan_lab.runs.start import quiet_lightning
from gan_lab.terminal import tell
from gan_lab.training import GAN, host

BARE = "exp", "maxgp", "32-true"  # the loop's loss, penalty and precision
WHAT = ("model", "step", "penalties", "optimizers", "scores", "data", "cells")


def main() -> None:
    """Parse, measure, print, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*WHAT, "all"])
    parser.add_argument(
        "--side", type=int, default=None, help="pixels; default: the embedded digits, which have 8"
    )
    parser.add_argument("--channels", type=int, nargs="*", default=[32, 128], help="network widths")
    parser.add_argument("--precision", nargs="*", default=["32-true"], help="32-true, bf16-mixed")
    parser.add_argument(
        "--steps", type=int, default=None, help="generator steps a round (default: about 4 s)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loss", default="exp", help="of step")
    parser.add_argument("--penalty", default="maxgp", help="of step")
    parser.add_argument("--n-critic", type=int, default=5)
    parser.add_argument("--against", nargs="*", default=["bare", "peer"], help="of bare and peer")
    parser.add_argument(
        "--cells", type=int, nargs="*", default=[1, 2, 4, 8], help="of cells: how many at once"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="of cells: how long each number of them is measured",
    )
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument(
        "--json",
        type=Path,
        default=None,
        help="a file for every figure, with hardware and versions",
    )
    arguments = parser.parse_args()
    quiet_lightning()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    asked = WHAT if arguments.what == "all" else (arguments.what,)
    told: dict[str, Any] = {"machine": measuring.machine()}
    with host.prepared():
        for what in asked:
            told[what] = MEASURED[what](arguments)
    if arguments.json:
        write_atomically(arguments.json, json.dumps(told, indent=1) + "\n")


def step(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One line for each width and precision."""
    return [
        _one_step(arguments, channels, precision)
        for channels in arguments.channels
        for precision in arguments.precision
    ]


def _one_step(arguments: argparse.Namespace, channels: int, precision: str) -> dict[str, Any]:
    method = [
        f"loss={arguments.loss}",
        f"penalty={arguments.penalty}",
        f"n_critic={arguments.n_critic}",
    ]
    method += (
        ["optimizer.lr=2e-4"] if arguments.side else []
    )  # the digits' rate is too high for noise of other sizes
    config = steps.composed(
        *method, f"architecture.channels={channels}", f"trainer.precision={precision}"
    )
    data = _data(arguments, config)
    side = data.spec.shape[1]
    size = arguments.steps or max(
        1, round(4 / (6e-6 * channels * side**2 * arguments.n_critic / 5))
    )
    device = steps.device_of(config)
    values = ResidentData.place(data, device)

    def real() -> torch.Tensor:
        return values.gather(torch.randint(len(values), (config.batch_size,), device=device))[0]

    def others(gan: GAN) -> steps.Others:
        made = {}
        if "bare" in arguments.against and (arguments.loss, arguments.penalty, precision) == BARE:
            made["bare loop"] = Bare(build.gan(config, data.spec), config, device, real).step
        if "peer" in arguments.against:
            sizes = config.n_critic, config.batch_size, config.generator_batch_size
            made["peer"] = Peer(
                data.spec.shape, channels, config.architecture.latent_dim, *sizes, device, real
            ).step
        return made

    # take turns
    rounds = steps.Rounds(size, arguments.rounds, others)
    steps.fit(config, data, [rounds], stop=rounds.total)
    mine = rounds.seconds.pop("gan_lab")
    told: dict[str, Any] = {"loss": arguments.loss, "penalty": arguments.penalty}
    told |= {
        "channels": channels,
        "side": side,
        "precision": precision,
        "n_critic": config.n_critic,
    }
    told |= {"gan_lab": measuring.summary(mine), "steps_a_round": size}
    told |= {name: measuring.summary(seconds, mine) for name, seconds in rounds.seconds.items()}
    told |= {"flop": rounds.flop, "flop_per_s": rounds.flop / told["gan_lab"]["median_s"]}
    told |= {"images_per_s": config.n_critic * config.batch_size / told["gan_lab"]["median_s"]}
    told |= {"peak_bytes": measuring.peak_memory()}
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    told["device_flop_per_s"] = measuring.device_rates(device, dtype, channels, side)
    _print_step(told, list(rounds.seconds))
    return told


def _print_step(told: dict[str, Any], others: list[str]) -> None:
    own = told["gan_lab"]
    tell(
        f"{told['loss']} + {told['penalty']}, {told['side']} px, {told['channels']} channels, "
        f"{told['precision']}: "
        f"{own['median_s'] * 1e3:.2f} ms a generator step ({own['min_s'] * 1e3:.2f} to "
        f"{own['max_s'] * 1e3:.2f}), "
        f"{told['images_per_s']:,.0f} real images/s, {told['flop'] / 1e9:.1f} GFLOP a step, "
        f"{told['flop_per_s'] / 1e9:.0f} GFLOP/s"
    )
    rates = ", ".join(
        f"{name} {rate / 1e9:.0f}" for name, rate in told["device_flop_per_s"].items()
    )
    tell(f"  this device in GFLOP/s: {rates}")
    for name in others:
        its, ratio = told[name], told[name]["ratio"]
        tell(
            f"  {name}: {its['median_s'] * 1e3:.2f} ms, {ratio['median']:.3f} times gan_lab's "
            f"({ratio['min']:.3f} to {ratio['max']:.3f})"
        )


def penalties(arguments: argparse.Namespace) -> dict[str, Any]:
    """At 32 pixels, for the first width."""
    config = steps.composed(f"architecture.channels={arguments.channels[0]}")
    options = ["none", *(name for name in _options("penalty") if name != "none")]
    told = parts.penalties(config, options, arguments.rounds, steps.device_of(config))
    tell(
        f"penalties, 32 px, {arguments.channels[0]} channels, ms of a critic loss and its "
        "gradients over none:"
    )
    for name, its in sorted(told.items(), key=lambda item: item[1]["over none"]["median_s"]):
        added = its["over none"]
        tell(
            f"  {name:<10} {added['median_s'] * 1e3:8.2f} ({added['min_s'] * 1e3:.2f} to "
            f"{added['max_s'] * 1e3:.2f})"
        )
    return told


def optimizers(arguments: argparse.Namespace) -> dict[str, Any]:
    """For the last width."""
    config = steps.composed(f"architecture.channels={arguments.channels[-1]}")
    told = parts.optimizers(
        config, _options("optimizer"), arguments.rounds, steps.device_of(config)
    )
    tell(f"optimizers, ms of a step on the critic of {arguments.channels[-1]} channels:")
    for name, its in sorted(told.items(), key=lambda item: item[1]["median_s"]):
        tell(
            f"  {name:<14} {its['median_s'] * 1e3:8.3f} ({its['min_s'] * 1e3:.3f} to "
            f"{its['max_s'] * 1e3:.3f})"
        )
    return told


def of_scores(arguments: argparse.Namespace) -> dict[str, Any]:
    """Cost and memory."""
    cost = scores.cost(2000, arguments.rounds)
    alone, both = cost["extractor"]["median_s"], cost["with scores"]
    tell(
        f"scores: extractor {alone:.3f} s for 2,000 images, with scores "
        f"{both['ratio']['median']:.3f} times that"
    )
    memory = [
        scores.memory(features, samples)
        for features in (256, 2048)
        for samples in (50_000, 500_000)
    ]
    for its in memory:
        tell(
            f"  d = {its['features']}, {its['samples']:,} samples: peak "
            f"{its['peak_bytes'] / 2**20:.0f} MiB resident"
        )
    return {"cost": cost, "memory": memory}


def data(arguments: argparse.Namespace) -> dict[str, Any]:
    """The batches of a generator step."""
    config = steps.composed()
    told = parts.data(config, arguments.rounds, steps.device_of(config))
    tell(
        f"data: {told['median_s'] * 1e3:.3f} ms a generator step, {told['images_per_second']:,.0f} "
        "images/s"
    )
    return told


def of_cells(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One line for each number of runs at once."""
    channels, precision = arguments.channels[0], arguments.precision[0]
    method = [
        f"loss={arguments.loss}",
        f"penalty={arguments.penalty}",
        f"n_critic={arguments.n_critic}",
    ]
    method += ["optimizer.lr=2e-4"]
    overrides = [*method, f"architecture.channels={channels}", f"trainer.precision={precision}"]
    side = arguments.side or 32
    told = []
    tell(f"cells at once, {side} px, {channels} channels, {precision}, generator steps a second:")
    for count in arguments.cells:
        its = throughput.steps_per_second(overrides, side, count, arguments.seconds)
        told.append(its)
        each = f"{min(its['steps_per_s']):.3f} to {max(its['steps_per_s']):.3f}"
        tell(
            f"  {count} of {its['threads']} threads: {its['total_steps_per_s']:.3f} together, each "
            f"{each}"
        )
    return told


def model(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One block for each width and penalty."""
    side, told = arguments.side or 32, []
    for channels in arguments.channels:
        for penalty in cost_model.PENALTIES:
            parts = cost_model.step_parts(
                channels, side, n_critic=arguments.n_critic, penalty=penalty
            )
            tell(f"a generator step with penalty={penalty}, {side} px, {channels} channels:")
            for name, part in (*parts.items(), ("together", cost_model.total(parts))):
                tell(
                    f"  {name:<32} {part.flop / 1e9:9.1f} GFLOP {4 * part.values / 1e9:8.2f} GB in "
                    "fp32"
                )
            flop = {name: part.flop for name, part in parts.items()}
            told.append({"channels": channels, "side": side, "penalty": penalty, "flop": flop})
    return told


MEASURED = {
    "model": model,
    "step": step,
    "penalties": penalties,
    "optimizers": optimizers,
    "scores": of_scores,
    "data": data,
    "cells": of_cells,
}


def _data(arguments: argparse.Namespace, config: Any) -> LoadedData:
    if arguments.side is None:
        return build.loaded(config.dataset, config.data_cache)
    return steps.noise_data(arguments.side)


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (steps.CONF / group).glob("*.yaml"))


if __name__ == "__main__":
    main()
