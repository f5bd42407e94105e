"""What every entry point shares: errors of the user are one line, never a traceback."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import CompactHydraException, HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from gan_lab import terminal
from gan_lab.config import options, trust
from gan_lab.config.checks import no_such_field, suggestion
from gan_lab.config.schema import groups
from gan_lab.errors import Interrupted, UserError, one_line
from gan_lab.sweeps import callback

# tells the processes of a run that HYDRA_FULL_ERROR is ours, not the user's
_ONE_LINE = "GAN_LAB_ONE_LINE_ERRORS"
_SHOWN = (
    *(HydraException, OmegaConfBaseException, yaml.YAMLError),
    *(ValueError, TypeError, OSError, MemoryError),
)
_NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def run(main: Callable[[], None], schema: type | None = None) -> None:
    """Call a Hydra entry point; print errors of the user as one line and exit with 1.

    Hydra's own handling is switched off (HYDRA_FULL_ERROR), because its advice on a misspelt key is
    to add it with `+`. Whoever sets HYDRA_FULL_ERROR=1 sees every traceback.

    Args:
        main: the entry point.
        schema: the dataclass of its fields, for advice on a misspelt one.
    """
    terminal.prepare()
    with (
        trust.typed_for_runs(sys.argv[1:], groups(schema) if schema else ()) as arguments,
        callback.closing_reports(),
        _errors_shown_by_us() as wants_tracebacks,
    ):
        # whatever ends a sweep, its report comes last
        sys.argv[1:] = arguments
        try:
            main()
        except Interrupted as stop:
            sys.exit(stop.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)

        # `--help | head`: Python would fail once more at its end, over what it could not flush
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(128 + signal.SIGPIPE)

        # these types may be the user's errors or a fault of the program; the latter has a traceback
        except _SHOWN as error:
            message = _message(error, schema)
            if wants_tracebacks or message is None:
                raise
            terminal.tell(f"error: {message}", error=True)
            sys.exit(1)


@contextmanager
def _errors_shown_by_us() -> Iterator[bool]:
    """Inside, Hydra shows no error itself. Gives whether the user asked for tracebacks."""
    # the processes of a run inherit what this one sets, so a second name tells that it is ours
    setting = os.environ.get("HYDRA_FULL_ERROR")
    wants_tracebacks = setting == "1" and _ONE_LINE not in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"
    if not wants_tracebacks:
        os.environ[_ONE_LINE] = "1"

    # another program may follow in this process
    try:
        yield wants_tracebacks
    finally:
        if not wants_tracebacks:
            del os.environ[_ONE_LINE], os.environ["HYDRA_FULL_ERROR"]
            os.environ |= {} if setting is None else {"HYDRA_FULL_ERROR": setting}


def _message(error: Exception, schema: type | None) -> str | None:
    """The line that the user reads for an error; None for a fault of this program."""
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _one_line(error, schema)
    if isinstance(error, OSError | MemoryError):
        return _of_the_system(error)
    return _uncomposed(error, sys.argv[1:]) if _of_composing(error) else None


@contextmanager
def refusing(run_dir: Path | None = None) -> Iterator[None]:
    """Turn a UserError inside into Hydra's, see `refuse`."""
    try:
        yield
    except UserError as error:
        raise refuse(error, run_dir) from None


def refuse(error: Exception, run_dir: Path | None = None) -> CompactHydraException:
    """Turn an error of the user that came before training into Hydra's,
    for `raise refuse(...) from None`.

    A single run leaves nothing behind. A job of a sweep says why at once: Hydra itself reports only
    the first that failed. Its record is left by SweepCallback.

    Args:
        error: of the user.
        run_dir: where a run would have been, for an entry point that makes one.
    """
    hydra = HydraConfig.get()
    if run_dir is None:
        return CompactHydraException(str(error))
    if hydra.mode == RunMode.MULTIRUN:
        terminal.tell(f"error: {hydra.job.override_dirname}: {error}", error=True)
    elif run_dir.is_dir() and not any(run_dir.iterdir()):
        run_dir.rmdir()  # Hydra made it; nothing happened in it
    return CompactHydraException(str(error))


def _of_the_system(error: OSError | MemoryError) -> str:
    """The message for what the file system, or the machine, has refused."""
    if isinstance(error, MemoryError):
        return "there is not enough memory: set smaller batches, or fewer samples at once"

    # a full disk is the usual case, and what was trained until then is not lost
    reason = error.strerror or one_line(error)
    if error.errno in _NO_PLACE:
        return (
            f"{error.filename or 'a file'} cannot be written ({reason}): make room or choose "
            "another folder; a run that had begun goes on with resume=RUN_DIR"
        )
    if error.filename:
        return f"{error.filename} cannot be used ({reason}): name another file or folder"
    return reason


def _of_composing(error: Exception) -> bool:
    """Whether Hydra raised it while it composed: it has errors of Python's
    own for what it did not foresee."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return frames[-1].partition(".")[0] in ("hydra", "omegaconf", "yaml") and not any(
        name.startswith("gan_lab.") and name != __name__ for name in frames
    )


def _uncomposed(error: Exception, arguments: Sequence[str]) -> str:
    """What is wrong with `penalty=null` or `penalty=1`, or else in a file
    that was named, as Hydra says it."""
    # `-m` and `--cfg` together
    said = one_line(error)
    if said.startswith("Only one of"):
        return f"{said}: omit the others"

    # a group that was given a value instead of an option
    typed = [text for text in arguments if "=" in text and not text.startswith("-")]
    for override in OverridesParser.create().parse_overrides(typed):
        values = override.sweep_iterator() if override.is_sweep_override() else [override.value()]
        names = [
            name for value in values for name in (value if isinstance(value, list) else [value])
        ]
        known = options.contents(override.key_or_group)
        if not all(isinstance(name, str) for name in names) and (
            known or "/" in override.key_or_group
        ):
            named = suggestion("", known) if known else ""
            return f"{override.input_line}: choose an option by its name{named}"

    # else it is most likely in a file
    files = [text for text in typed if text.lstrip("+").startswith("experiment=")]
    about = " ".join(files or typed)
    return f"{about}: {said}; a group takes an option's name, as penalty=gp"


def _no_such_part(key: str) -> str:
    """What is wrong with `penalty@penalty.first=gp`, where no option with such a part is chosen."""
    group, _, place = key.partition("@")

    # the parts of each option, from its defaults list: penalty=sum has first and second
    parts = {
        option: [
            nested.removeprefix(f"/{group}@")
            for default in content.get("defaults", [])
            for nested in (default if isinstance(default, dict) else ())
            if nested.startswith(f"/{group}@")
        ]
        for option, content in options.contents(group).items()
    }

    # an option that has the part, or what there is
    field, _, part = place.rpartition(".")
    having = [option for option, names in parts.items() if part in names]
    if having and field == group:
        return f"{key}: no {group} is chosen that has a part {part!r}: add {group}={having[0]}"

    known = [
        f"{group}@{group}.{name} of {group}={option}"
        for option, names in parts.items()
        for name in names
    ]
    there_are = f" (there are: {', '.join(known)})" if known else ""
    return f"{key}: there is no such part{there_are}"


def _one_line(error: Exception, schema: type | None) -> str:
    """An error of Hydra or OmegaConf, which have several lines, in the words of this program."""
    # an option that there is not: Hydra lists the folders that it searched
    message = str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        if known := error.options or options.contents(group):
            return f"{group}={choice}: there is no such option{suggestion(choice, known)}"

    # null for a field that needs a value
    if "is not Optional" in f"{message}{error.__cause__}" and (
        match := re.search(r"override (([\w.]+)=\S*)", message)
    ):
        others = ""
        if match[2] == "optimizer_critic":
            others = f", or choose an option of optimizer@{match[2]}"
        return f"{match[1]}: it needs a value: omit it for the default{others}"

    # an option's name in the place of its fields
    if "Cannot assign" in f"{message}{error.__cause__}" and (
        match := re.search(r"override (optimizer_critic=(\S*))", message)
    ):
        chosen = match[2] if match[2] in options.contents("optimizer") else "NAME"
        return f"{match[1]}: choose an option by optimizer@optimizer_critic={chosen}"

    # a misspelt field: Hydra would advise to add it with `+`
    if match := re.search(
        r"Could not override '([^']+)'|Key '([^']+)' (?:is )?not in '?(?:struct|\w+Config)", message
    ):
        key = match[1] or match[2]
        if schema and key in groups(schema) and options.contents(key):
            return f"{key}: no study is chosen that takes a {key}: omit it, or add study=NAME"
        if "@" in key:
            return _no_such_part(key)
        if schema is None:
            return f"{key}: there is no such field; --help lists them"
        return no_such_field(key, schema)

    # everything else: Hydra says which override, OmegaConf what is wrong with it
    message += f"\n{error.__cause__ or ''}"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("full_key:", "object_type=")))
