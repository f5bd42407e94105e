"""How a program says that it cannot go on. Torch-free."""

from __future__ import annotations

import signal


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop by a signal; its checkpoint is written. Ends a sweep as well."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


class UserError(ValueError):
    """The user's input cannot be used. The message is one line: what is
    wrong and what to type instead.

    The command line prints it without a traceback; library users see an ordinary ValueError.
    """

    def __init__(self, message: str) -> None:
        # a value that it names may have several lines, or be very long
        line = " ".join(message.splitlines())
        super().__init__(line if len(line) <= 4000 else f"{line[:3000]} … {line[-900:]}")


class DamagedFile(UserError):
    """A file is not what its name says: whoever reads many may go
    on without it, once that is said."""


def one_line(error: BaseException) -> str:
    """An exception's message without line breaks, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


class Diverged(RuntimeError):
    """A loss, a gradient or a parameter is not finite."""
