"""What the sources of gan_lab.metrics import, and what the room exports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gan_lab.metrics as room

SOURCES = sorted(Path(room.__file__).parent.rglob("*.py"))
FRAMEWORK = {"hydra", "omegaconf", "lightning", "pytorch_lightning", "wandb"}
BELOW = {
    "gan_lab.checks",
    "gan_lab.reading.declared_scores",
    "gan_lab.errors",
    "gan_lab.files",
    "gan_lab.metrics",
    "gan_lab.parallel",
    "gan_lab.reading",
}


def imported(path: Path) -> set[str]:
    """Absolute module names of every import statement, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_framework_and_no_other_room(path):
    for name in imported(path):
        assert name.split(".")[0] not in FRAMEWORK
        if name.split(".")[0] == "gan_lab":
            assert ".".join(name.split(".")[:2]) in BELOW


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_matrix_root_of_scipy(path):
    assert not any("sqrtm" in name or name.startswith("scipy") for name in imported(path))


def test_the_exports():
    assert set(room.__all__) >= {
        *("log_probabilities", "entropy"),
        *("InceptionScore", "InceptionScoreValue", "inception_score"),
        *("AMScore", "AMScoreValue", "am_score"),
        *("ModeScore", "ModeScoreValue", "mode_score"),
        *(
            "FrechetDistance",
            "Moments",
            "moments",
            "frechet_distance",
            "save_reference",
            "load_reference",
        ),
        *("KernelDistance", "KernelDistanceValue", "kernel_distance"),
        *("PrecisionRecallDensityCoverage", "ManifoldValue", "precision_recall_density_coverage"),
        *("MSSSIM", "MSSSIMValue", "ms_ssim"),
    }
    assert all(hasattr(room, name) for name in room.__all__)
