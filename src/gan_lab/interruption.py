"""When Ctrl-C may arrive. Torch-free."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def waits_for_imports() -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM wait for the end: large libraries are imported whole, or not at all.

    A KeyboardInterrupt within an import leaves half a module, of which the next import makes anything: of numpy scipy
    makes a RecursionError. What the system itself does at a signal, which ends the process, does not wait. Nothing
    outside the main thread, where Python allows no handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

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
    if received:
        signal.raise_signal(received[0])
