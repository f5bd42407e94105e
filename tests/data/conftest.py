"""No test of the data room reaches the network: name look-ups and urlopen fail, and are noted; what
its loggers warn of is noted as well."""

import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def network_attempts(monkeypatch):
    """The addresses that somebody tried to reach; each try fails as on a machine without a
    network."""
    attempts = []

    def refuse_url(request, *args, **kwargs):
        attempts.append(getattr(request, "full_url", request))
        raise urllib.error.URLError("[Errno -3] Temporary failure in name resolution")

    def refuse_name(host, *args, **kwargs):
        attempts.append(host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(urllib.request, "urlopen", refuse_url)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_name)
    return attempts


class _Notes(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.texts = []

    def emit(self, record):
        self.texts.append(record.getMessage())


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """What gan_lab's loggers warn of; not caplog, whose plugin is switched off."""
    notes = _Notes()
    logger = logging.getLogger("gan_lab")
    logger.addHandler(notes)
    yield notes.texts
    logger.removeHandler(notes)
