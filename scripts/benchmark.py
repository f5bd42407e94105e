"""Measure the costs of gan_lab's parts on this machine, beside other ways to do the same.

`python scripts/benchmark.py step`

step        seconds of a generator step under the Trainer, beside a bare loop of the same step
            (exp + maxgp, fp32) and a WGAN-GP step as public frameworks write it, in a process of
            its own; FLOP/s beside the device's own
penalties   what each penalty adds to the critic's loss and its gradients
optimizers  a step of each optimizer on the critic's parameters beside torch's foreach Adam, and
            what it keeps in memory
scores      IS, AM and FID beside the extractor's forward pass; memory of scoring
data        drawing batches
model       no measurement: FLOP and bytes of a generator step by part, from the sizes of the layers
cells       generator steps a second of 1, 2, 4 and 8 runs at once (32 pixels; the first width,
            the first precision)
devices     a generator step on 1 to 64 devices, simulated: the share of one is measured, and what a
            message costs between two processes (32 pixels; the first width, the first precision)
all         all of them

Programs that are compared take turns. Every figure says median, smallest and largest of the rounds.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from gan_lab import build
from gan_lab.benchmarks import cost_model, devices, measuring, parts, scores, steps, throughput
from gan_lab.benchmarks.bare import Bare
from gan_lab.benchmarks.link import measured_link
from gan_lab.benchmarks.peer import Apart
from gan_lab.config import options
from gan_lab.data import LoadedData
from gan_lab.data.resident import ResidentData
from gan_lab.errors import UserError
from gan_lab.files import write_atomically
from gan_lab.runs.start import quiet_lightning
from gan_lab.terminal import tell
from gan_lab.training import host

BARE = "exp", "maxgp", "32-true"  # the loop's loss, penalty and precision
WHAT = ("model", "step", "penalties", "optimizers", "scores", "data", "cells", "devices")


def main() -> None:
    """Parse, measure, print, keep."""
    arguments = parsed()
    quiet_lightning()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    # figures mean nothing without the machine that they are of
    measured = WHAT if arguments.what == "all" else (arguments.what,)
    figures: dict[str, Any] = {"machine": measuring.machine()}
    try:
        with host.prepared():
            for what in measured:
                figures[what] = MEASURED[what](arguments)
    except UserError as error:
        tell(f"error: {error}", error=True)
        sys.exit(1)
    if arguments.json:
        write_atomically(arguments.json, json.dumps(figures, indent=1) + "\n")


def parsed() -> argparse.Namespace:
    """The arguments, as they were typed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument

    # what is measured, and of which networks
    add("what", choices=[*WHAT, "all"])
    add("--side", type=int, help="pixels; default: the embedded digits, which have 8")
    add("--channels", type=int, nargs="*", default=[32, 128], help="network widths")
    precisions = ["32-true", "bf16-mixed"]
    add("--precision", nargs="*", default=precisions[:1], choices=precisions)
    add("--loss", default="exp", choices=options.contents("loss"), help="of step")
    add("--penalty", default="maxgp", choices=options.contents("penalty"), help="of step")
    add("--compile", action="store_true", help="of step: gan_lab's networks are compiled")
    add("--n-critic", type=int, default=5)
    others = ["bare", "peer"]
    add("--against", nargs="*", default=others, choices=others, help="of bare and peer")

    # how long
    add("--steps", type=int, help="generator steps a round (default: about 4 s)")
    add("--rounds", type=int, default=5)
    add("--cells", type=int, nargs="*", default=[1, 2, 4, 8], help="of cells: how many at once")
    some = [1, 2, 4, 8, 16, 32, 64]
    add("--devices", type=int, nargs="*", default=some, help="of devices: how many, 1 first")
    add("--seconds", type=float, default=20, help="of cells: how long each number is measured")

    # where, and where the figures go
    add("--threads", type=int)
    add("--json", type=Path, help="a file for every figure, with hardware and versions")
    return parser.parse_args()


def step(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure a generator step: one line for each width and precision."""
    return [
        _one_step(arguments, channels, precision)
        for channels in arguments.channels
        for precision in arguments.precision
    ]


def _one_step(arguments: argparse.Namespace, channels: int, precision: str) -> dict[str, Any]:
    # the digits' rate is too high for noise of other sizes
    overrides = _method(arguments) + (["optimizer.lr=2e-4"] if arguments.side else [])
    overrides += [f"architecture.channels={channels}", f"trainer.precision={precision}"]
    config = steps.composed(*overrides, f"trainer.compile={str(arguments.compile).lower()}")
    data = _data(arguments, config)
    side = data.spec.shape[1]
    device = steps.device_of(config)

    # rounds of about 4 s, by a rough guess of a step's seconds on a CPU: arithmetic, or calls
    arithmetic = 6e-6 * channels * side**2 * arguments.n_critic / 5
    expected = max(arithmetic, 0.02 * (arguments.n_critic + 1))
    size = arguments.steps or max(1, round(4 / expected))
    with ExitStack() as stack:
        rounds = steps.Rounds(size, arguments.rounds, _others(arguments, config, data, stack))
        steps.fit(config, data, [rounds], stop=rounds.total)

    # what was measured, then its figures
    mine = rounds.seconds.pop("gan_lab")
    own = measuring.summary(mine)
    images = config.n_critic * config.batch_size
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    figures: dict[str, Any] = {"loss": arguments.loss, "penalty": arguments.penalty}
    figures |= {"channels": channels, "side": side, "precision": precision}
    figures |= {"n_critic": config.n_critic, "compile": arguments.compile}
    figures |= {"gan_lab": own, "steps_a_round": size}
    figures |= {name: measuring.summary(seconds, mine) for name, seconds in rounds.seconds.items()}
    figures |= {"flop": rounds.flop, "flop_per_s": rounds.flop / own["median_s"]}
    figures |= {"images_per_s": images / own["median_s"], "peak_bytes": measuring.peak_memory()}
    figures["device_flop_per_s"] = measuring.device_rates(device, dtype, channels, side)
    _print_step(figures, list(rounds.seconds))
    return figures


def _others(
    arguments: argparse.Namespace, config: DictConfig, data: LoadedData, stack: ExitStack
) -> steps.Others:
    """The programs beside gan_lab's own; what they open is closed with `stack`."""
    device = steps.device_of(config)
    programs: dict[str, Callable[[int], float]] = {}

    # the loop draws its real samples from the device's memory, as gan_lab does
    method = arguments.loss, arguments.penalty, config.trainer.precision
    if "bare" in arguments.against and method == BARE:
        values = ResidentData.place(data, device)

        def real() -> torch.Tensor:
            return values.gather(torch.randint(len(values), (config.batch_size,), device=device))[0]

        bare = Bare(build.gan(config, data.spec), config, device, real)
        programs["bare loop"] = functools.partial(measuring.seconds_of, bare.step)

    if "peer" in arguments.against:
        sizes = {name: config.architecture[name] for name in ("channels", "latent_dim")}
        sizes |= {name: config[name] for name in ("n_critic", "batch_size", "generator_batch_size")}
        peer = Apart(data.spec.shape, sizes, device, torch.get_num_threads())
        programs["peer"] = stack.enter_context(peer).seconds
    return programs


def _print_step(figures: dict[str, Any], others: list[str]) -> None:
    """Print a step's figures: its own, the device's, and the other programs'."""
    own = figures["gan_lab"]
    method = f"{figures['loss']} + {figures['penalty']}"
    network = f"{figures['side']} px, {figures['channels']} channels, {figures['precision']}"
    tell(
        f"{method}, {network}: {own['median_s'] * 1e3:.2f} ms a generator step "
        f"({own['min_s'] * 1e3:.2f} to {own['max_s'] * 1e3:.2f}), "
        f"{figures['images_per_s']:,.0f} real images/s, {figures['flop'] / 1e9:.1f} GFLOP a step, "
        f"{figures['flop_per_s'] / 1e9:.0f} GFLOP/s"
    )

    # how near the step comes to the device's own rate
    device = figures["device_flop_per_s"].items()
    rates = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in device)
    tell(f"  this device in GFLOP/s: {rates}")

    # ratios of the same rounds: they vary less than times
    for name in others:
        its, ratio = figures[name], figures[name]["ratio"]
        tell(
            f"  {name}: {its['median_s'] * 1e3:.2f} ms, {ratio['median']:.3f} times gan_lab's "
            f"({ratio['min']:.3f} to {ratio['max']:.3f})"
        )


def penalties(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every penalty at 32 pixels, for the first width."""
    config = steps.composed(f"architecture.channels={arguments.channels[0]}")
    options = ["none", *(name for name in _options("penalty") if name != "none")]
    figures = parts.penalties(config, options, arguments.rounds, steps.device_of(config))

    # the cheapest first
    tell(
        f"penalties, 32 px, {arguments.channels[0]} channels, ms of a critic loss and its "
        "gradients over none:"
    )
    for name, its in sorted(figures.items(), key=lambda item: item[1]["over none"]["median_s"]):
        added = its["over none"]
        tell(
            f"  {name:<10} {added['median_s'] * 1e3:8.2f} ({added['min_s'] * 1e3:.2f} to "
            f"{added['max_s'] * 1e3:.2f})"
        )
    return figures


def optimizers(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every optimizer, for the last width."""
    config = steps.composed(f"architecture.channels={arguments.channels[-1]}")
    device = steps.device_of(config)
    figures = parts.optimizers(config, _options("optimizer"), arguments.rounds, device)

    tell(
        f"optimizers, ms of a step on the critic of {arguments.channels[-1]} channels, times that "
        "of foreach Adam, the same in a row, and the state in copies of the parameters:"
    )
    for name, its in sorted(figures.items(), key=lambda item: item[1]["step"]["median_s"]):
        step, in_a_row = its["step"], its["step in a row"]["ratio"]
        tell(
            f"  {name:<22} {step['median_s'] * 1e3:8.3f} ({step['min_s'] * 1e3:.3f} to "
            f"{step['max_s'] * 1e3:.3f}) {step['ratio']['median']:6.2f} {in_a_row['median']:6.2f} "
            f"{its['state']:7.2f}"
        )
    return figures


def of_scores(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the cost and the memory of scores."""
    cost = scores.cost(2000, arguments.rounds)
    alone, both = cost["extractor"]["median_s"], cost["with scores"]
    tell(
        f"scores: extractor {alone:.3f} s for 2,000 images, with scores "
        f"{both['ratio']['median']:.3f} times that"
    )

    # features of the classifier and of Inception; the memory must not grow with the samples
    sizes = [(features, samples) for features in (256, 2048) for samples in (50_000, 500_000)]
    memory = [scores.memory(features, samples) for features, samples in sizes]
    for its in memory:
        tell(
            f"  d = {its['features']}, {its['samples']:,} samples: peak "
            f"{its['peak_bytes'] / 2**20:.0f} MiB resident"
        )
    return {"cost": cost, "memory": memory}


def data(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure the batches of a generator step."""
    config = steps.composed()
    figures = parts.data(config, arguments.rounds, steps.device_of(config))
    tell(
        f"data: {figures['median_s'] * 1e3:.3f} ms a generator step, "
        f"{figures['images_per_second']:,.0f} images/s"
    )
    return figures


def of_cells(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure runs at once: one line for each number of them."""
    side, channels, precision = arguments.side or 32, arguments.channels[0], arguments.precision[0]
    overrides = [*_method(arguments), "optimizer.lr=2e-4"]
    overrides += [f"architecture.channels={channels}", f"trainer.precision={precision}"]
    tell(f"cells at once, {side} px, {channels} channels, {precision}, generator steps a second:")

    # printed as they come, each after some minutes
    figures = []
    for count in arguments.cells:
        its = throughput.steps_per_second(overrides, side, count, arguments.seconds)
        figures.append(its)
        each = f"{min(its['steps_per_s']):.3f} to {max(its['steps_per_s']):.3f}"
        together = f"{its['total_steps_per_s']:.3f} together"
        tell(f"  {count} of {its['threads']} threads: {together}, each {each}")
    return figures


def of_devices(arguments: argparse.Namespace) -> dict[str, Any]:
    """Simulate more devices than there are: one line for each number of them."""
    side, channels, precision = arguments.side or 32, arguments.channels[0], arguments.precision[0]
    overrides = [*_method(arguments), "optimizer.lr=2e-4"]
    overrides += [f"architecture.channels={channels}", f"trainer.precision={precision}"]

    # what a message costs
    link = measured_link()
    microseconds, rate = link.latency * 1e6, 4e-9 / max(link.per_number, 1e-15)
    tell(
        f"SIMULATED devices, {side} px, {channels} channels, {precision}, the same global batches;"
    )
    tell(f"  between two processes of this machine: {microseconds:.0f} us and {rate:.2f} GB/s")

    # what each device does, and the messages of all
    lines: list[dict[str, Any]] = []
    for count in arguments.devices:
        its = devices.share(overrides, side, count, arguments.rounds)
        work = measuring.summary(its.seconds)["median_s"]
        messages = devices.seconds_of_messages(its, link, count)
        lines.append({"devices": count, "work_s": work, "messages_s": messages})
        lines[-1] |= {"messages": its.messages, "speed_up": lines[0]["work_s"] / (work + messages)}
        tell(
            f"  {count:>3}: {work * 1e3:9.1f} ms of work, {messages * 1e3:7.1f} ms of "
            f"{sum(its.messages.values()):.0f} messages, {lines[-1]['speed_up']:.1f} times as fast"
        )
    return {"latency_s": link.latency, "s_per_number": link.per_number, "lines": lines}


def model(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Work out the costs of a step: one block for each width and penalty."""
    side, figures = arguments.side or 32, []
    for channels in arguments.channels:
        for penalty in cost_model.PENALTIES:
            n_critic = arguments.n_critic
            parts = cost_model.step_parts(channels, side, n_critic=n_critic, penalty=penalty)
            tell(f"a generator step with penalty={penalty}, {side} px, {channels} channels:")
            for name, part in (*parts.items(), ("together", cost_model.total(parts))):
                tell(
                    f"  {name:<32} {part.flop / 1e9:9.1f} GFLOP {4 * part.values / 1e9:8.2f} GB in "
                    "fp32"
                )

            flop = {name: part.flop for name, part in parts.items()}
            figures.append({"channels": channels, "side": side, "penalty": penalty, "flop": flop})
    return figures


MEASURED = {
    "model": model,
    "step": step,
    "penalties": penalties,
    "optimizers": optimizers,
    "scores": of_scores,
    "data": data,
    "cells": of_cells,
    "devices": of_devices,
}


def _data(arguments: argparse.Namespace, config: Any) -> LoadedData:
    if arguments.side is None:
        return build.loaded(config.dataset, config.data_cache)
    return steps.noise_data(arguments.side)


def _method(arguments: argparse.Namespace) -> list[str]:
    """The overrides of the method that was asked for."""
    return [
        f"loss={arguments.loss}",
        f"penalty={arguments.penalty}",
        f"n_critic={arguments.n_critic}",
    ]


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (steps.CONF / group).glob("*.yaml"))


if __name__ == "__main__":
    main()
