"""`undisturbed`: inside as a score needs it, afterwards everything as it was found, whatever
happened inside."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
import torch
from torch import nn

from gan_lab.inference import undisturbed


def network():
    """Some parts in training, some not: what Lightning leaves of a GAN with an EMA."""
    made = nn.Sequential(
        nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()), nn.BatchNorm1d(2)
    )
    made.train()
    made[1][0].eval()
    made[2].eval()
    return made


def modes(module):
    return [part.training for part in module.modules()]


class Trouble(Exception):
    """What these tests raise inside."""


@pytest.fixture(params=[False, True], ids=["ends", "raises"])
def leave(request):
    """Leaves the block as it should, or by an exception."""

    @contextlib.contextmanager
    def run():
        if not request.param:
            yield lambda: None
            return

        def fail():
            raise Trouble

        with pytest.raises(Trouble):
            yield fail

    return run


@pytest.fixture
def tf32():
    """Puts the settings back, whatever a test did to them."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32
    yield matmul, cudnn
    torch.set_float32_matmul_precision(before[0])
    cudnn.allow_tf32 = before[1]


def test_random_state(leave):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with leave() as end, undisturbed():
        torch.rand(100)
        torch.manual_seed(99)
        end()
    assert torch.equal(torch.rand(4), expected)


def test_modes_of_every_part(leave):
    first, second = network(), nn.Dropout()
    before = modes(first), modes(second)
    with leave() as end, undisturbed(first, second):
        assert not any(modes(first) + modes(second))
        first.train()
        end()
    assert (modes(first), modes(second)) == before


def test_a_module_named_twice_keeps_its_modes():
    made = network()
    before = modes(made)
    with undisturbed(made, made[1]), undisturbed(made):
        assert not any(modes(made))
    assert modes(made) == before


def test_batch_statistics_do_not_move():
    made = network()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with undisturbed(made):
        made(torch.randn(8, 2))
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


@pytest.mark.parametrize("enabled", [True, False])
def test_gradients(enabled, leave):
    with torch.set_grad_enabled(enabled):
        with leave() as end, undisturbed():
            assert not torch.is_grad_enabled()
            end()
        assert torch.is_grad_enabled() is enabled


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_autocast(device, leave):
    with torch.autocast("cpu", torch.bfloat16):
        torch.set_autocast_enabled("cuda", device == "cuda")
        try:
            with leave() as end, undisturbed():
                assert not torch.is_autocast_enabled("cpu")
                assert not torch.is_autocast_enabled("cuda")
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
                end()
            assert torch.is_autocast_enabled("cpu")
            assert torch.is_autocast_enabled("cuda") is (device == "cuda")
            assert torch.get_autocast_dtype("cpu") == torch.bfloat16
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        finally:
            torch.set_autocast_enabled("cuda", False)
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("matmul_allowed", [True, False])
@pytest.mark.parametrize("cudnn_allowed", [True, False])
def test_tf32(matmul_allowed, cudnn_allowed, leave, tf32):
    matmul, cudnn = tf32
    matmul.allow_tf32, cudnn.allow_tf32 = matmul_allowed, cudnn_allowed
    with leave() as end, undisturbed():
        assert not matmul.allow_tf32
        assert not cudnn.allow_tf32
        end()
    assert (matmul.allow_tf32, cudnn.allow_tf32) == (matmul_allowed, cudnn_allowed)


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_float32_matmul_precision(precision, leave, tf32):
    """torch's other name for TF32 of products, which Lightning advises to set; "medium" is bf16.

    Inside it counts for processors too: there, oneDNN multiplies in TF32 or bf16 where the hardware
    has them.
    """
    torch.set_float32_matmul_precision(precision)
    before = torch.backends.mkldnn.matmul.fp32_precision
    with leave() as end, undisturbed():
        assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
        end()
    assert torch.backends.mkldnn.matmul.fp32_precision == before
    assert torch.get_float32_matmul_precision() == precision


NEW_NAMES = """
import torch
from gan_lab.inference import undisturbed
for part in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):
    part.fp32_precision = "tf32"
with undisturbed():
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"
    assert torch.backends.cudnn.conv.fp32_precision != "tf32"
for part in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):
    assert part.fp32_precision == "tf32"
"""


def test_settings_by_their_new_names(tmp_path):
    """torch >= 2.9 has names of its own, and refuses to answer by the old ones once the new were
    used."""
    line = [sys.executable, "-c", NEW_NAMES]
    done = subprocess.run(
        line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
