"""Train with a loss of your own: `python examples/own_loss.py max_generator_steps=200`.

The loss stands in this file. The program is `train.py` with the loss named: what is typed may be
code of one's own.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from gan_lab.losses import ScalarLoss


def phi(t: Tensor) -> Tensor:
    """log(1 + e^t)^2: increasing and strictly convex, so a member of the family (2-11)."""
    return torch.nn.functional.logsigmoid(-t).square()  # F.softplus is t itself above 20


def varphi(t: Tensor) -> Tensor:
    """phi(-t)"""
    return phi(-t)


def squared_softplus() -> ScalarLoss:
    """J_D = E[phi(f(fake))] + E[varphi(f(real))], J_G = E[-f(fake)]."""
    properties = {"increasing": True, "convex": True, "strictly_convex": True, "member": True}
    return ScalarLoss("squared_softplus", phi, varphi, torch.neg, **properties)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))  # the run imports this file as a module
    from gan_lab.commands.programs import main

    main(["train", "loss=vanilla", "loss._target_=own_loss.squared_softplus", *sys.argv[1:]])
