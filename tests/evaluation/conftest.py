"""Trains each thing once."""

import pytest

from helpers import evaluation_runs, inception_weights


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GAN_LAB_INCEPTION_WEIGHTS", raising=False)


@pytest.fixture(scope="session")
def cache(data_cache):
    """The data cache that every run of these tests shares."""
    return data_cache


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
