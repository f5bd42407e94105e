"""Keeps what W&B would put into a home elsewhere."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    """The home of every run here: empty, with nobody logged in to W&B."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for name in ("WANDB_API_KEY", "WANDB_DATA_DIR", "WANDB_DIR", "NETRC", "XDG_DATA_HOME"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(autouse=True)
def _service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that a test starts have W&B processes of their own, as outside: that of this process
    is not theirs."""
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
