"""One generator iteration as a CUDA graph: one launch by the host instead of some thousand."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from gan_lab import parallel
from gan_lab.architectures import Growing
from gan_lab.architectures.dcgan import GaussianNoise
from gan_lab.errors import one_line
from gan_lab.training.gan import GAN, Draws

WARM_UP = 3  # iterations at least: optimizer states and cuDNN's choices are made in them
PATIENCE = 100  # iterations at most until every tensor of the state stays where it is


def obstacle(gan: GAN) -> str | None:
    """Why the iterations of a GAN on its device cannot be captured; None: they can."""
    if gan.device.type != "cuda":
        return "it is not on a CUDA device"
    if parallel.world_size() > 1:
        return "several devices train it"

    # a graph is of one phase, and α would be frozen
    if any(isinstance(module, Growing) for module in gan.modules()):
        return "its networks grow"

    # within a graph the draws of a layer no longer follow from the step's seed
    for kind, network in (("generator", gan.generator), ("critic", gan.critic)):
        for name, layer in network.named_modules():
            if isinstance(layer, GaussianNoise | nn.modules.dropout._DropoutNd):
                return f"the {kind}'s layer {name} ({type(layer).__name__}) draws for itself"
    return None


class CapturedIteration:
    """`GAN.iterate`, which becomes a CUDA graph once it leaves the state where it is.

    The first iterations run eagerly. When one has left every tensor of the state where it was, the
    next one is captured, and from then on the graph is replayed.

    Args:
        gan: on a CUDA device, without an `obstacle`.
        say: is told once where capturing fails; the iterations run eagerly then.
    """

    def __init__(self, gan: GAN, say: Callable[[str], None]) -> None:
        self.gan = gan
        self.say = say
        self.eager = 0  # iterations so far
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Draws | None = None  # what the graph reads
        self.gave_up = False
        self.stream = torch.cuda.Stream(gan.device)
        self.addresses: list[int] = []
        if hasattr(torch.autograd.graph, "set_override_stale_capture_stream"):  # since torch 2.15
            torch.autograd.graph.set_override_stale_capture_stream(True)

    def __call__(self, draws: Draws) -> None:
        """One iteration."""
        # the graph reads the draws where they were when it was captured
        if self.graph is not None and self.inputs is not None:
            for ours, new in zip(self.inputs.tensors(), draws.tensors(), strict=True):
                ours.copy_(new, non_blocking=True)
            self.graph.replay()
            return

        # warm up and capture on one side stream, which torch asks for
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            if self.gave_up or not self._is_settled():
                self.gan.iterate(draws)
                self.eager += 1
            else:
                self._capture(draws)
        torch.cuda.current_stream().wait_stream(self.stream)
        if self.graph is not None:
            self.graph.replay()  # capturing ran nothing

    def _is_settled(self) -> bool:
        """Whether the last iteration left every tensor of the state where it was."""
        addresses = [tensor.data_ptr() for tensor in self.gan.state_tensors()]
        settled = self.eager >= WARM_UP and addresses == self.addresses
        self.addresses = addresses

        # an optimizer or a penalty that makes its state anew in each step never settles
        if not settled and self.eager >= PATIENCE:
            self._give_up(f"after {PATIENCE} iterations parts of the state are still made anew")
        return settled

    def _capture(self, draws: Draws) -> None:
        """Capture an iteration, which runs nothing; where that fails, run it."""
        inputs, graph = copy.deepcopy(draws), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                self.gan.iterate(inputs)
        except RuntimeError as error:
            self._give_up(one_line(error)[:200])
            self.gan.iterate(draws)
        else:
            self.graph, self.inputs = graph, inputs

    def _give_up(self, reason: str) -> None:
        self.gave_up = True
        self.say(f"no CUDA graph: {reason}; the iterations run one operator at a time")
