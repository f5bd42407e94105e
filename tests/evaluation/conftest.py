"""Keeps data caches out of the repository, trains each thing once."""

from pathlib import Path

import pytest

from helpers import evaluation_runs, inception_weights
from helpers.gan_runs import environment


@pytest.fixture(autouse=True)
def _data_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name, value in environment(tmp_path_factory).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GAN_LAB_INCEPTION_WEIGHTS", raising=False)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The data cache that every run of these tests shares."""
    return Path(environment(tmp_path_factory)["GAN_LAB_DATA_CACHE"])


@pytest.fixture(scope="session")
def digits():
    from gan_lab.data import Digits, load

    return load(Digits(), None)


@pytest.fixture(scope="session")
def digits_classifier(digits):
    """The one that comes with the package, by which digits are scored."""
    from gan_lab.classifier.exchange import SHIPPED, classifier_from_file

    return classifier_from_file(str(SHIPPED / "digits.safetensors"), None, digits, "cpu")


@pytest.fixture(scope="session")
def trained_classifier(cache, digits):
    """The fast preset of the digits, trained once, in the cache that all runs use."""
    return evaluation_runs.classifier(
        digits, evaluation_runs.preset("classifier=fast"), cache / "classifiers"
    )


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory):
    """(path, its SHA-256): seeded random weights in the shape of Inception 2015."""
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    return path, inception_weights.write(path)
