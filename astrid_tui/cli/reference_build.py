"""`astrid reference build`: references of many frames, one for each field, filter and chip."""

from collections import Counter
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
from astrid_tui.cli.reference_words import light_in_it, light_in_itself, record_of, summary_of
from core.errors import AstridError
from core.text import counted
from core.vocabulary import ExitCode

if TYPE_CHECKING:
    from astrid_tui.cli.invocation import Progress
    from core.database.store import Store
    from core.settings import Settings
    from pipeline.reference.groups import Group, Sorted

Record = dict[str, Any]


def build(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Frames, and folders of them. FILE[NUMBER] or FILE[NAME] is one image of a file: where one "
            "is named so, all that are named make one reference.",
        ),
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Build anew what was built of the same frames before.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build references as weighted means of several frames, each on the grid of the sharpest whole one.

    Every field, filter and chip gets its own: a chip is an extension of a file, or what the header calls the
    detector. What was built of the same frames, calibrated alike by the same settings, is there already. Exit
    codes: 3, some frames, parts of frames or references were left out; 1, nothing was built.
    """
    settings, store = settings_of(context), store_of(context)
    found = _sorted(files, settings, store, quiet=as_json)
    work = _Work(store, settings, found, quiet=as_json, again=again)
    for note in _told_of(found):
        remark("warning:", note)
    for number, group in enumerate(found.groups, start=1):
        work.build(group, number)
    skipped = found.refused | work.skipped
    if not work.records and len(found.groups) < 2:
        raise AstridError(_nothing_built(work, found.refused))
    if as_json:
        print_json(work.told() | {"skipped": skipped})
    else:
        for name, reason in found.refused.items():
            remark(f"left out {name}: {reason}")
        if len(found.groups) > 1:
            print_text(work.counts())
        if not all(record["new"] for record in work.records):
            remark("`--again` builds anew what is there already of the same frames")
    if not work.records:
        remark("to average frames whatever their chip and field, name their images, as FILE[0]")
        raise typer.Exit(ExitCode.FAILED)
    if skipped or work.partly or work.refused:
        raise typer.Exit(ExitCode.PARTIAL)


class _Work:
    """The references of one command, one after the other: what became of each is told as it is done."""

    def __init__(
        self, store: "Store", settings: "Settings", found: "Sorted", *, quiet: bool, again: bool
    ) -> None:
        from core.frames import references
        from pipeline.calibration.calibrators import masters_of

        self._store, self._settings, self._quiet = store, settings, quiet
        self._of, self._ends = len(found.groups), found.ends
        self._masters = masters_of(store, settings)
        self._there = [] if again else references.newest_first(store)
        self.records: list[Record] = []
        self.skipped: dict[str, str] = {}
        self.partly: dict[str, str] = {}
        self.refused: list[Record] = []

    def build(self, group: "Group", number: int) -> None:
        """Build one reference; where it cannot be, that is told, and the next one's turn comes."""
        from pipeline.frame import FrameRefused

        try:
            self._build(group, number)
        except FrameRefused as refused:
            self.refused.append(
                {
                    "field": group.field,
                    "filter": group.filter,
                    "instrument": group.instrument,
                    "frames": len(group.frames),
                    "reason": str(refused),
                }
            )
            if self._of > 1:
                remark(f"no reference of {group.title}: {refused}")

    def _build(self, group: "Group", number: int) -> None:
        from core.frames import references
        from core.frames.reference_frames import frames_of
        from core.objects.reference_light import seen_meanwhile
        from pipeline.reference.references import built_before, from_frames

        key = group.key(self._settings.science_hash) if group.marks else None
        row, new = None, False
        if key is not None:
            row = built_before(self._there, key, group.names, self._settings)
        notes: list[str] = []
        skipped: dict[str, str] = {}
        partly: dict[str, str] = {}
        if row is None:
            title = "Building" if self._of == 1 else f"Building {number} of {self._of}"
            with progress_bar(title, quiet=self._quiet) as report:
                facts, skipped, partly = from_frames(
                    group.frames,
                    self._settings,
                    masters_for=self._masters,
                    progress=report,
                    said=notes,
                    key=key,
                    ends=self._ends,
                )
            row, new = references.add(self._store, facts), True
        elif row.n_frames < len(group.frames):
            notes.append(
                f"reference {row.id} is of {row.n_frames} of {counted(len(group.frames), 'frame')}: `--again`"
                " tells why"
            )
        served_by = references.choose(self._store, row)
        if served_by is not None and served_by.id != row.id:
            notes.append(
                f"frames get reference {served_by.id}, which is newer than {row.id}: `astrid reference retire"
                f" {served_by.id}` goes back to it"
            )
        notes += light_in_itself(row, frames_of(self._store, row))
        for note in notes + light_in_it(
            row, seen_meanwhile(self._store, row), blind=self._settings.review.blind
        ):
            remark("warning:", note)
        self.skipped |= skipped
        self.partly |= partly
        self.records.append(record_of(row) | {"new": new, "skipped": skipped, "partly": partly})
        if not self._quiet:
            _tell(self.records[-1], summary_of(row))

    def told(self) -> Record:
        """All of it as JSON; where one reference was asked for, its own facts too."""
        only = self.records[0] if self._of == 1 else {}
        return only | {"partly": self.partly, "references": self.records, "refused": self.refused}

    def counts(self) -> str:
        """How many there are, in words."""
        new = sum(record["new"] for record in self.records)
        parts = {
            "built": new,
            "there already": len(self.records) - new,
            "not to be built": len(self.refused),
        }
        return f"{counted(self._of, 'reference')}: " + ", ".join(
            f"{count} {word}" for word, count in parts.items() if count
        )


def _tell(record: Record, summary: str) -> None:
    """One line on a reference, and one on each frame that is not wholly in it."""
    for name, reason in record["skipped"].items():
        remark(f"left out {name}: {reason}")
    for name, part in record["partly"].items():
        remark(f"{name}: {part}")
    there = "" if record["new"] else " is there already"
    print_text(f"reference {record['id']}{there}: {record['chosen']}; {summary}")


def _nothing_built(work: _Work, unusable: dict[str, str]) -> str:
    """Why the one reference that was asked for cannot be built."""
    reason = work.refused[0]["reason"] if work.refused else "a coadd needs at least 2 frames, 0 can be used"
    return "; ".join([reason, *(f"{name}: {why}" for name, why in list(unusable.items())[:1])])


def _sorted(names: list[str], settings: "Settings", store: "Store", *, quiet: bool) -> "Sorted":
    """The frames that are meant: of each file every image, or all that are named in one group."""
    from pipeline.calibration.calibrators import calibrators
    from pipeline.diff import split_extension
    from pipeline.intake.ingest import find_files
    from pipeline.reference.groups import Group, Sorted, sort_frames
    from pipeline.reference.told_apart import ends_of

    asked = [split_extension(name) for name in names]
    if all(extension is None for _, extension in asked):
        with progress_bar("Reading headers", quiet=quiet) as report:
            unread: dict[str, str] = {}
            files = find_files(
                (path for path, _ in asked), on_unread=lambda folder, why: unread.update({str(folder): why})
            )
            found = sort_frames(_reported(files, report), settings, calibrators(store, settings))
            found.refused.update(unread)
            return found
    images = [
        (file, extension)
        for path, extension in asked
        for file in ([path] if extension is not None else find_files([path]))
    ]
    group = Group(None, None, None, None, frames=list(dict.fromkeys(images)))
    return Sorted([group], {}, 0, ends_of(path for path, _ in images))


def _reported(files: list[Path], report: "Progress") -> Iterator[Path]:
    for done, path in enumerate(files):
        report(done, len(files), path.name)
        yield path


def _told_of(found: "Sorted") -> list[str]:
    """What is to be said of the frames before any reference is built."""
    told = []
    if found.calibrators:
        told.append(f"{counted(found.calibrators, 'calibration frame')} passed over")
    nowhere = Counter((group.field, group.filter) for group in found.groups if group.place is None)
    for (field, band), count in nowhere.items():
        if count > 1:
            told.append(
                f"{count} references of field {field or '-'}, filter {band or '-'} have no WCS: frames find "
                "theirs by field and filter alone, and so that of another chip"
            )
    return told
