"""The page over HTTP while a sweep runs: on this machine only, read-only, and nothing but itself.

Three addresses are answered: "/", the page; "/state", a short text that changes with the page; and
"/favicon.ico", with nothing. No address names a file.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from gan_lab.errors import UserError
from gan_lab.reporting.report.model import Report, Reproduction
from gan_lab.reporting.report.page import to_html

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")


class LivePage:
    """The newest page that could be made, and its state.

    Args:
        gather: makes the content of the page; a UserError of it leaves the page before it.
        every: seconds between two questions of a browser for the state.

    Raises:
        UserError: of the first call of `gather`.
    """

    def __init__(self, gather: Callable[[], Report | Reproduction], every: float) -> None:
        self._gather = gather
        self._every = every
        self._lock = threading.Lock()
        self._make()

    def refresh(self) -> None:
        """Make the page anew. A record that is being written may be refused for a moment."""
        with suppress(UserError, OSError):
            self._make()

    def _make(self) -> None:
        # the time at which it was made is no news of the runs
        report = self._gather()
        page = to_html(report, self._every)
        state = hashlib.sha256(page.replace(report.made, "").encode()).hexdigest()[:16]
        with self._lock:
            self._answer = page.encode(), state

    @property
    def content(self) -> bytes:
        """The page."""
        with self._lock:
            return self._answer[0]

    @property
    def state(self) -> str:
        """A text that is another one when the page is."""
        with self._lock:
            return self._answer[1]


def server(page: LivePage, port: int = 0) -> ThreadingHTTPServer:
    """Make a server of a page on 127.0.0.1, which `serve_forever` starts.

    Args:
        page: that is served.
        port: where; 0 for any free one, which `server_port` then says.

    Raises:
        OSError: the port is in use.
    """

    class Handler(_Handler):
        live = page

    made = ThreadingHTTPServer((HOST, port), Handler)
    made.daemon_threads = True
    return made


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD. Any other method is not implemented, any other address not found."""

    live: LivePage
    server_version, sys_version = "gan_lab", ""
    timeout = 10  # seconds that a silent client may hold a thread

    def do_GET(self) -> None:
        """Answer with a page, a state, or that there is nothing."""
        # a page elsewhere could give its own name this address; such a name is not ours
        name = (self.headers.get("Host") or "").rpartition(":")[0]
        if name not in _NAMES:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"not by this name\n")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", self.live.content)
        elif self.path == "/state":
            self._answer(HTTPStatus.OK, "text/plain", self.live.state.encode())
        elif self.path == "/favicon.ico":
            self._answer(HTTPStatus.NO_CONTENT, "image/x-icon", b"")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is only /\n")

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a question every few seconds is no news."""
