"""Two gloo processes give what one gives, for every metric: unequal shards, a rank without updates,
sides apart."""

from __future__ import annotations

import numpy as np
import pytest

from helpers import gloo
from helpers.metrics_cases import CASES, CLASSES, EVERY
from helpers.metrics_worker import BETWEEN, SHARES, SIDES

WORKER = "helpers.metrics_worker"

GROUND = {
    "gan_lab.checks",
    "gan_lab.errors",
    "gan_lab.files",
    "gan_lab.reading",
}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> list[dict]:
    """What either rank computed. One start of two processes for all tests of this file."""
    found, said = gloo.results(WORKER, tmp_path_factory.mktemp("ranks"), gloo.TWO, seconds=100)
    return [{**result, "said": text} for result, text in zip(found, said, strict=True)]


def test_every_metric_class_has_a_case():
    missing = {kind.__name__ for kind in CLASSES - {type(case.make()) for case in CASES.values()}}
    assert not missing, (
        f"tests/helpers/metrics_cases.py, CASES has no {', '.join(sorted(missing))}: add how it is "
        "made, and the stream that it is fed; or set stable=False among its facts"
    )
    assert len(CLASSES) >= 7


@pytest.mark.parametrize("share", [*SHARES, BETWEEN])
@pytest.mark.parametrize("name", EVERY)
def test_two_processes_give_the_value_of_one(results, name, share):
    """1e-12: sums in another order, 200 numbers of order 1."""
    alone = np.array(CASES[name].value())
    for rank in range(2):
        assert share in results[rank].get(name, {}), results[rank]["said"]
        assert np.array(results[rank][name][share]) == pytest.approx(
            alone, rel=1e-12, abs=1e-12, nan_ok=True
        )
    assert results[0][name][share] == pytest.approx(
        results[1][name][share], rel=0, abs=0, nan_ok=True
    )


@pytest.mark.parametrize("name", [name for name in EVERY if len(CASES[name].streams) == 2])
def test_one_side_per_process(results, name):
    alone = np.array(CASES[name].value())
    for rank in range(2):
        assert SIDES in results[rank].get(name, {}), results[rank]["said"]
        assert np.array(results[rank][name][SIDES]) == pytest.approx(alone, rel=1e-12, abs=1e-12)


def test_the_room_brings_neither_the_framework_nor_another_room(results):
    """What is loaded after `import gan_lab.metrics` in a fresh process."""
    assert set(results[0]["rooms"]) == {"gan_lab", "gan_lab.metrics", *GROUND}
    framework = {"hydra", "omegaconf", "lightning", "pytorch_lightning", "wandb"}
    assert not framework & set(results[0]["packages"])
