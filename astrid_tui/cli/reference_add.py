"""`astrid reference add`: images that are references as they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from astrid_tui.cli.invocation import (
    JsonOption,
    print_json,
    print_text,
    progress_bar,
    remark,
    settings_of,
    store_of,
)
from astrid_tui.cli.reference_words import light_in_it, record_of, summary_of
from core.errors import AstridError
from core.vocabulary import ORDERED, ExitCode

if TYPE_CHECKING:
    from core.database.store import Store
    from core.database.tables import Reference
    from core.settings import Settings

Image = tuple[Path, int | str | None]  # which of the file's, where it holds several


def _word(given: str | None) -> str | None:
    """A name as headers give them: without blanks around it, and some text."""
    if given is None:
        return None
    if not given.strip():
        raise typer.BadParameter("it is empty: leave the option out to take what the header says")
    return given.strip()


def add(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Images, calibrated or raw; of a file that holds several every one. FILE[NUMBER] or "
            "FILE[NAME] is one of them.",
        ),
    ],
    band: Annotated[
        str | None,
        typer.Option(
            "--filter", callback=_word, help="Its filter, as the frames name theirs; default: by its header."
        ),
    ] = None,
    field: Annotated[
        str | None, typer.Option(callback=_word, help="Its field, likewise; it counts where a WCS lacks.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add images, each as the reference of its place and filter; frames that waited for it are queued.

    Exit codes: 3, some of several images cannot be used; 1, none can.
    """
    from pipeline.frame import FrameRefused

    settings = settings_of(context)
    images = list(_images(files, settings))
    work = _Adding(store_of(context), settings, band, field)
    records: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    with progress_bar("Adding", quiet=as_json or len(images) == 1) as report:
        for done, (path, extension) in enumerate(images):
            name = str(path) if extension is None else f"{path}[{extension}]"
            report(done, len(images), name)
            try:
                row = work.add(path, extension)
            except FrameRefused as why:
                if len(images) == 1:
                    raise AstridError(f"{path}: {why}") from why
                refused[name] = str(why)
                remark(f"left out {name}: {why}")
                continue
            records.append(record_of(row))
            if not as_json:
                print_text(f"reference {row.id}: {row.chosen}; {summary_of(row)}")
    if as_json:
        print_json(records[0] if len(images) == 1 else {"references": records, "refused": refused})
    if refused:
        raise typer.Exit(ExitCode.PARTIAL if records else ExitCode.FAILED)


class _Adding:
    """What images become references by: the store, its masters, and what the command line says of all."""

    def __init__(self, store: "Store", settings: "Settings", band: str | None, field: str | None) -> None:
        from pipeline.calibration.calibrators import masters_of

        self._store, self._settings, self._band, self._field = store, settings, band, field
        self._masters = masters_of(store, settings)

    def add(self, path: Path, extension: int | str | None) -> "Reference":
        """Add one, and say what is to be said of it."""
        from core.frames import references
        from core.objects.reference_light import seen_meanwhile
        from pipeline.reference.references import from_file

        notes: list[str] = []
        facts = from_file(
            path,
            self._settings,
            extension=extension,
            band=self._band,
            field=self._field,
            masters_for=self._masters,
            said=notes,
        )
        row = references.add(self._store, facts)
        notes += self._queued(row)
        notes += light_in_it(row, seen_meanwhile(self._store, row), blind=self._settings.review.blind)
        for note in notes:
            remark("warning:", note)
        return row

    def _queued(self, row: "Reference") -> list[str]:
        """What is to be said of frames that are this exposure, and that a run would find."""
        from core.frames.reference_frames import frames_of, only_itself

        return [
            f"frame {frame.id} is {frame.state}, and is this exposure: `astrid run` does not subtract it from"
            " itself, and drops it"
            for frame in frames_of(self._store, row)
            if frame.state in ORDERED and only_itself(self._store, frame)
        ]


def _images(names: list[str], settings: "Settings") -> Iterator[Image]:
    """The images that are meant, in their order."""
    from pipeline.diff import split_extension
    from pipeline.files.outlines import Outline, outlines
    from pipeline.reference.reference_file import is_reference

    for name in names:
        path, extension = split_extension(name)
        if path.is_dir():
            raise AstridError(
                f"{path} is a folder: `astrid reference build` makes references of the frames in one, and"
                " files are added by their names"
            )
        if extension is not None or not path.exists() or is_reference(path):
            yield path, extension
            continue
        found = [each for each in outlines(path, settings.camera.keywords) if isinstance(each, Outline)]
        if len(found) > 1:
            yield from ((path, each.extension) for each in found)
        else:
            yield path, None
