"""Candidates to a file, by the filter that is in force."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.text import counted, safe_text
from screens.frame.commands import Command, CommandRefused, Words
from screens.lines import Tone

if TYPE_CHECKING:
    from screens.frame.base import FrameScreen
    from screens.frame.opened import Opened


def export_command(screen: "FrameScreen[Any]") -> Command:
    """The command that exports what passes the filter of a screen."""

    def export(words: Words) -> None:
        opened = screen.host.opened
        if opened is None or not words or list(words[1:]) not in ([], ["judged"]):
            raise CommandRefused(
                "export takes the name of a file, and behind it 'judged' for those with a verdict"
            )
        file = _place(words[0])

        def told(count: int) -> None:
            screen.say(f"{counted(count, 'candidate')} in {file}", Tone.GOOD)

        work = partial(export_to, file, screen.filter, len(words) == 2, opened)
        screen.in_background(work, told, "nothing was exported")

    return Command(
        "export",
        "write the candidates that pass the filter to FILE, its form by its name: "
        ".csv .jsonl .parquet .vot .ecsv .reg .fits",
        export,
        "FILE [judged]",
        lambda words: ("judged",) if len(words) > 1 else (),
    )


def _place(name: str) -> Path:
    try:
        return Path(name).expanduser().absolute()
    except RuntimeError as error:  # ~NAME of somebody whom this machine does not know
        told = f"{safe_text(name, 60)} cannot be written: nobody of that name has a home here"
        raise CommandRefused(told) from error


def export_to(file: Path, filters: str, judged_only: bool, opened: "Opened") -> int:
    """Write candidates in the form that the file's name ends in; how many.

    The file appears whole or not at all, and none is overwritten.

    Raises
    ------
    AstridError
        It exists, cannot be written, or the store does not answer.
    """
    from core.review.export import FORMS, write_csv, write_json_lines
    from core.review.export_cutouts import write_cutouts
    from core.review.export_files import write_ecsv, write_parquet, write_regions, write_votable
    from core.review.real_rows import real_candidates
    from core.unfinished import unfinished

    store, experts = opened.store, opened.settings.review.experts
    found = real_candidates(store, filters=filters, judged_only=judged_only, experts=experts)
    text = {"csv": write_csv, "jsonl": write_json_lines, "ecsv": write_ecsv, "regions": write_regions}
    cutouts = partial(write_cutouts, store=store)
    binary: dict[str, Callable[..., int]] = {
        "parquet": write_parquet,
        "votable": write_votable,
        "fits": cutouts,
    }
    form = FORMS.get(file.suffix.lower())
    if form is None:
        raise CommandRefused(f"a file's name ends in {', '.join(FORMS)}")
    try:
        if file.exists():
            raise CommandRefused(f"{file.name} is there already")
        with unfinished(file) as beside:
            if form in binary:
                with beside.open("wb") as stream:
                    return binary[form](found, stream)
            with beside.open("w", encoding="utf-8", newline="") as lines:
                return text[form](found, lines)
    except OSError as error:
        raise CommandRefused(f"{safe_text(file.name, 60)} cannot be written: {error.strerror}") from error
