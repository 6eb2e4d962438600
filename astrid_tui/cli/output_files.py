"""The files that commands write: refused before the work where they cannot be, whole or not there at all."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from core.charset import write_utf8
from core.errors import AstridError
from core.unfinished import unfinished

STANDARD_OUTPUT = Path("-")

ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]


def check_output(
    path: Path | None,
    *,
    force: bool,
    inputs: Sequence[Path | None] = (),
    endings: Sequence[str] = (),
    text: bool = False,
    hint: str = "--output",
) -> None:
    """Refuse, before the work, a file that cannot be written or that must not be replaced.

    Parameters
    ----------
    path : Path, optional
        Without one nothing is checked.
    force : bool
        A file that is there is replaced; never one of the inputs.
    inputs : sequence of Path
        What the command reads.
    endings : sequence of str
        Those that the file's name may have, in lower case; by default any.
    text : bool
        What is written is text, so that it may go to a device or a pipe too.
    hint : str
        What the user gave the path as.

    Raises
    ------
    typer.BadParameter
        It is an input, is there already, or has another ending.
    AstridError
        It cannot be written.
    """
    if path is None:
        return
    if path == STANDARD_OUTPUT:
        raise typer.BadParameter("'-' is no file: leave the option out", param_hint=hint)
    if path.exists() and not path.is_file():
        if text and not path.is_dir():
            return
        raise AstridError(f"cannot write to {path}: it is no regular file")
    if any(each is not None and each.exists() and path.exists() and path.samefile(each) for each in inputs):
        raise typer.BadParameter(f"{path} is an input, and would be replaced", param_hint=hint)
    if endings and path.suffix.lower() not in endings:
        raise typer.BadParameter(
            f"{path.name} must end in {' or '.join(endings)}, as what is written", param_hint=hint
        )
    if path.exists() and not force:
        raise typer.BadParameter(f"{path} is there already: --force replaces it", param_hint=hint)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise AstridError(f"cannot write to {path}: there is no folder {path.parent}")
    if not os.access(folder, os.W_OK):
        why = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise AstridError(f"cannot write to {path}: {os.strerror(why)}")


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Tell in one sentence that a file cannot be written, and why."""
    try:
        yield
    except OSError as error:
        raise AstridError(f"cannot write to {path}: {error.strerror or error}") from error


@contextmanager
def output_stream(path: Path | None) -> Iterator[IO[str]]:
    """A stream to write to, standard output without a path; a file appears whole or not at all.

    It is UTF-8 whatever the locale, but for a terminal, which shows what it can.
    """
    if path is None:
        if not sys.stdout.isatty():
            write_utf8(sys.stdout)
        yield sys.stdout
        return
    with writing_to(path):
        if path.exists() and not path.is_file():  # a device or a pipe, which must not be replaced
            with path.open("w", encoding="utf-8", newline="") as stream:
                yield stream
            return
        with unfinished(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
            yield stream


@contextmanager
def output_bytes(path: Path) -> Iterator[IO[bytes]]:
    """A file to write bytes to; it appears whole or not at all."""
    with writing_to(path), unfinished(path) as part, part.open("wb") as stream:
        yield stream
