"""When Ctrl-C may arrive. Torch-free."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gan_lab.errors import Interrupted

REPEATED_SECONDS = 2.0


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM raises Interrupted, as Ctrl-C raises KeyboardInterrupt: what is open is
    closed, and it is said.

    Within REPEATED_SECONDS a repetition counts as the same request: process managers often
    send it to a process and to its group, and the second must not end what the first has
    begun. While a run trains, StopOnSignal takes its place. Nothing outside the main thread,
    where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # a handler that raises once for each request
    received = -math.inf

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal received
        if time.monotonic() - received > REPEATED_SECONDS:
            received = time.monotonic()
            raise Interrupted(number)

    # one program may run within another, as a test's
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def waits_for_imports() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait for the end: large libraries
    are imported whole, or not at all.

    A KeyboardInterrupt within an import leaves half a module, of which the next import
    makes anything: of numpy scipy makes a RecursionError. What the system itself does at
    a signal, which ends the process, does not wait. Nothing outside the main thread,
    where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # what has a handler in Python only takes note of the signal meanwhile
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    # the first one comes now, to whoever would have had it
    if received:
        signal.raise_signal(received[0])
