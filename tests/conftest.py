"""What holds for every test: one thread, one data cache for the session, no network for W&B.

Tiny tensors stay on one thread: threads that wait for one another on a busy machine cost more than
the tests. OMP_NUM_THREADS asks for another number, as `make test-portable` does.
"""

import ast
import gc
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from helpers.composing import keep_composed
from helpers.gan_runs import environment

# what a file imports that starts programs, trains whole runs or composes whole configs
STARTERS = {
    "subprocess", "hydra.compose", "helpers.gloo", "helpers.gan_runs.compose",
    "helpers.gan_runs.train", "helpers.gan_runs.resume", "helpers.gan_runs.command",
    "helpers.gan_runs.start", "helpers.gan_runs.without_torch",
    "helpers.gan_runs.each_without_torch", "helpers.evaluation_runs.script",
    "helpers.evaluation_runs.classifier", "helpers.sweep_runs.start", "helpers.sweep_runs.sweep",
    "helpers.fault_runs.start", "helpers.fault_runs.run", "helpers.parallel_programs.started",
    "helpers.study_runs.study",
}  # fmt: skip


# fixtures that train or write a whole network first
NETWORKS = {"trained_classifier", "inception_file"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of programs are not even imported where unit tests alone are asked for."""
    only_units = re.fullmatch(r"unit( and (not )?\w+)*", config.getoption("markexpr"))
    is_test_file = collection_path.match("test_*.py")
    return True if only_units and is_test_file and starts_programs(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a test `program` where its file starts programs, trains or composes, or where a fixture
    makes a whole network; `unit` where it is neither that nor `thorough`."""
    for item in items:
        if starts_programs(item.path) or NETWORKS & set(item.fixturenames):
            item.add_marker("program")
        elif item.get_closest_marker("thorough") is None:
            item.add_marker("unit")


def pytest_collection_finish() -> None:
    """Spare Python's garbage collector a million objects that stay: tests and libraries. It looked
    through them again and again, two thirds of a second each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # or the libraries say at the end what was not collected


@cache
def starts_programs(file: Path) -> bool:
    """Whether a test file imports one of STARTERS."""
    imported = set()
    for statement in ast.parse(file.read_text(encoding="utf-8")).body:
        match statement:
            case ast.Import(names):
                imported |= {alias.name for alias in names}
            case ast.ImportFrom(module, names):
                imported |= {f"{module}.{alias.name}" for alias in names}
    return not STARTERS.isdisjoint(imported)


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> Iterator[None]:
    import torch  # after helpers/__init__.py

    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data cache of every run and program of the session, outside the repository."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(tmp_path_factory).items():
            patch.setenv(name, value)
        yield Path(os.environ["GAN_LAB_DATA_CACHE"])


@pytest.fixture(autouse=True, scope="session")
def _configs_are_composed_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        keep_composed(patch)
        yield
