"""What training asks of the parts that it is given, and what a class without it is told."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import NamedTuple

from torch import nn

from gan_lab.errors import UserError
from gan_lab.inference import layers_that_mix_samples
from gan_lab.losses import Loss, RelativeLoss
from gan_lab.penalties import Penalty
from gan_lab.penalties.gradient import PointPenalty


class _Call(NamedTuple):
    """How training calls a method: the arguments as they are shown, how many come by their place,
    and which by their names."""

    arguments: str
    by_place: int
    by_name: tuple[str, ...] = ()


_CONTRACTS: Mapping[str, tuple[str, Mapping[str, _Call | None]]] = {
    "loss": (
        "gan_lab.losses.Loss lists what a loss has",
        {
            "needs_labels": None,
            "needs_targets": None,
            "has_score": None,
            "outputs": _Call("num_classes", 1),
            "score": _Call("logits", 1),
            "critic": _Call("real, fake, labels=None, targets=None", 4),
            "generator": _Call("fake, targets=None", 2),
        },
    ),
    "penalty": (
        "inherit from gan_lab.penalties.Penalty and call super().__init__()",
        {
            "measures_norm": None,
            "last_norm": None,
            "wrap": _Call("critic", 1),
            "wrap_generator": _Call("generator", 1),
            "draw": _Call("real, rng=None", 2),
            "forward": _Call("critic_score, real, fake, rng=None, noise=None", 3, ("noise",)),
            "observe": _Call("critic_score, real, fake, rng=None", 4),
            "after_step": _Call("critic", 1),
        },
    ),
    "architecture": (
        "the docstring of gan_lab.architectures lists what one has",
        {
            "latent_dim": None,
            "generator": _Call("spec, conditions", 2),
            "critic": _Call("spec, outputs", 2),
        },
    ),
    "diagnostics": (
        "inherit from gan_lab.training.diagnostics.Diagnostic",
        {
            "samples": None,
            "check_data": _Call("name, count", 2),
            "is_due": _Call("gan", 1),
            "measure": _Call("gan, batch", 2),
        },
    ),
    "optimizer": (
        "inherit from torch.optim.Optimizer and call super().__init__(params, defaults)",
        {"param_groups": None, "step": _Call("", 0)},
    ),
}
"""What training uses of a group's objects, and where its author reads more. None stands for an
attribute."""


def check_part(group: str, target: str, part: object) -> None:
    """Refuse an object of the user's class that training could not use.

    Args:
        group: of the config; one that no contract is of is not looked at.
        target: what made the part, for messages.
        part: the object.

    Raises:
        UserError: says what to add to the class.
    """
    advice, contract = _CONTRACTS.get(group.removesuffix("_critic"), ("", {}))
    missing = [name for name in contract if not hasattr(part, name)]
    if missing:
        raise UserError(
            f"{group}: what {target} makes has no {', '.join(missing)}; add what is missing: "
            f"{advice}"
        )

    # a relative loss is given one more argument
    if isinstance(part, RelativeLoss):
        contract = {**contract, "generator": _Call("fake, targets=None, real=None", 3)}

    # a method that would fail in the first step
    for name, call in contract.items():
        if call is None:
            continue
        try:
            inspect.signature(getattr(part, name)).bind(
                *(None,) * call.by_place, **dict.fromkeys(call.by_name)
            )
        except TypeError as error:
            raise UserError(
                f"{group}: {target}.{name} cannot be called as in training ({error}); write "
                f"def {name}(self, {call.arguments})"
            ) from None

    # one that would give nothing
    if isinstance(part, PointPenalty) and type(part).forward is Penalty.forward:
        raise UserError(
            f"{group}: {target} has no forward, so it would be 0; add def forward(self, "
            "critic_score, real, fake, rng=None, noise=None)"
        )


def found_traits(loss: Loss, penalty: Penalty, critic: nn.Module) -> Mapping[tuple[str, str], bool]:
    """What the parts are, whatever their options declare.

    Returns:
        {(group, trait): value}, the traits of `gan_lab.config.traits` on which a penalty depends.

    Raises:
        UserError: where that of a penalty cannot be told, and matters.
    """
    mixes_samples = bool(layers_that_mix_samples(critic))

    # a weight of 0 only measures
    is_active = getattr(penalty, "weight", None) != 0
    if is_active and not _says_whether_it_measures(penalty):
        reason = "the critic's batch norm mixes samples" if mixes_samples else ""
        reason = reason or ("" if loss.has_score else "the loss has no real-fake score")
        if reason:
            raise UserError(
                f"penalty: {type(penalty).__name__} does not say whether it measures gradients of "
                f"single samples, and {reason}; add measures_norm = True to the class where its "
                "forward does so and sets last_norm, else measures_norm = False"
            )
    return {
        ("penalty", "gradient"): penalty.measures_norm and is_active,
        ("loss", "score"): loss.has_score,
        ("architecture", "batch_norm"): mixes_samples,
    }


def _says_whether_it_measures(penalty: Penalty) -> bool:
    """Whether a penalty's class decides on `measures_norm`.

    A class with a `forward` of its own must: the False that it inherits from `Penalty` describes
    the forward of `Penalty`.
    """
    if type(penalty).forward is Penalty.forward or "measures_norm" in vars(penalty):
        return True
    return any("measures_norm" in vars(c) for c in type(penalty).__mro__ if c is not Penalty)
