"""The command `astrid`."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn, Protocol, runtime_checkable

from core.charset import environment_as_given, is_ascii_wanted, write_ascii, write_what_can_be
from core.operations.garbage import look_seldom
from core.operations.threads import THREAD_VARIABLES


@runtime_checkable
class _WrongUsage(Protocol):
    """What Typer's parser and `typer.BadParameter` raise; the class that they share is not public."""

    def format_message(self) -> str: ...


def main() -> None:
    """Run one command; what a user can act on is one sentence on standard error, never a traceback.

    With ``--json`` a failure is JSON on standard output too: ``{"error": ..., "exit_code": ...}``.
    """
    look_seldom()
    with _nothing_begun():
        from astrid_tui.cli.app import program
        from core.errors import AstridError
        from core.vocabulary import ExitCode

    _open_what_is_closed()
    write = write_ascii if is_ascii_wanted(environment_as_given()) else write_what_can_be
    for stream in (sys.stdout, sys.stderr):
        write(stream)
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    try:
        program(sys.argv[1:])(prog_name="astrid")
    except SystemExit as end:
        _end(end)
    except AstridError as error:
        _tell(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except OSError as error:  # the system refuses: a full disk, a folder without permission, a lost mount
        if isinstance(error.__context__, _WrongUsage):  # which could not be said
            _tell_usage(error.__context__)
            sys.exit(ExitCode.USAGE)
        where = f"{error.filename}: " if error.filename else ""
        _tell(f"{where}{error.strerror or error}", ExitCode.FAILED)
        sys.exit(ExitCode.FAILED)


def _open_what_is_closed() -> None:
    """Let what is written to a stream that the caller closed go nowhere, as cron and daemons mean it to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


@contextmanager
def _nothing_begun() -> Iterator[None]:
    """Let Ctrl-C end the process without a word, as long as there is nothing to be finished or told."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if is_usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(end: SystemExit) -> NoReturn:
    """Leave as Typer wants to, but for what it tells no script of: wrong usage, and a pipe that closed."""
    from core.vocabulary import ExitCode

    cause = end.__context__
    if isinstance(cause, BrokenPipeError):
        sys.exit(ExitCode.UNREAD)
    if isinstance(cause, _WrongUsage):
        _tell_usage(cause)
    raise end


def _tell_usage(wrong: _WrongUsage) -> None:
    """Say what is wrong as JSON, where it is asked for and can be said; Typer has told the others."""
    from core.vocabulary import ExitCode

    if "--json" in sys.argv:
        with suppress(OSError):
            _tell_json(" ".join(wrong.format_message().split()), ExitCode.USAGE)
            sys.stdout.flush()


def _tell(sentence: str, code: int) -> None:
    from astrid_tui.cli.wrapping import on_screen
    from core.text import safe_text

    with suppress(OSError):
        print(on_screen(f"astrid: {safe_text(sentence, limit=2000)}", sys.stderr), file=sys.stderr)  # noqa: T201
    if "--json" in sys.argv:
        with suppress(OSError):  # it may be the very stream that failed
            _tell_json(sentence, code)
            sys.stdout.flush()


def _tell_json(sentence: str, code: int) -> None:
    from core.text import safe_text

    sys.stdout.write(json.dumps({"error": safe_text(sentence, limit=2000), "exit_code": int(code)}) + "\n")


if __name__ == "__main__":
    main()
