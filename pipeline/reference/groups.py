"""Which frames make one reference: those of one filter and one chip, at one place of the sky.

Where both frames have a WCS it tells the place, and else the field that they name and their size: as
references are chosen for frames (`core.frames.references`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.frames.content import content_hash
from core.frames.references import is_similar
from core.objects.sphere import separation_deg
from core.settings import Settings
from core.vocabulary import FrameKind
from pipeline.calibration.choice import Calibrator, choose
from pipeline.files.fits_selection import Refusal
from pipeline.files.outlines import Outline, outlines
from pipeline.intake.ingest import footprint
from pipeline.reference.references import Named
from pipeline.reference.told_apart import called, ends_of

Cone = tuple[float, float, float]  # ra, dec and radius, in degrees


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Frames of which one reference can be made.

    Attributes
    ----------
    filter, field, instrument : str or None
        As their headers have them; the field is that of the first, and the instrument tells the chip.
    place : (float, float, float) or None
        Of the first on the sky: ra, dec and radius in degrees.
    shape : (int, int)
        Of the first.
    frames : list of (Path, int or None)
        Files, and which of their images where they hold several.
    names : list of str
        What people call each.
    marks : list of str
        What each holds, and what serves to calibrate it, as the store knows exposures: another reduction has
        the name, time and size of one.
    """

    filter: str | None
    field: str | None
    instrument: str | None
    place: Cone | None
    shape: tuple[int, int] = (0, 0)
    frames: list[Named] = dataclasses.field(default_factory=list)
    names: list[str] = dataclasses.field(default_factory=list)
    marks: list[str] = dataclasses.field(default_factory=list)

    @property
    def title(self) -> str:
        """What it is of, in a few words."""
        return f"field {self.field or '-'}, filter {self.filter or '-'}, {self.instrument or 'no instrument'}"

    def takes(self, other: Outline, place: Cone | None) -> bool:
        """Whether a frame is one more of these."""
        said = other.exposure
        if (self.filter, self.instrument) != (said.filter, said.instrument):
            return False
        if self.place is None or place is None:
            return self.field == said.field and all(map(is_similar, self.shape, other.shape))
        return float(separation_deg(*self.place[:2], *place[:2])) <= self.place[2]

    def key(self, science_hash: str) -> str:
        """The same for the same exposures, calibrated alike by the same settings, in any order and folder."""
        return hashlib.sha256("\n".join([science_hash, *sorted({*self.marks})]).encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True, slots=True)
class Sorted:
    """The frames of some files: the groups they make, and what is no frame to build of.

    Attributes
    ----------
    groups : list of Group
    refused : dict
        By what images that cannot be used are called, why.
    calibrators : int
        Biases, darks and flats among them.
    ends : dict
        By path what tells a file from the others (`pipeline.reference.told_apart`).
    """

    groups: list[Group]
    refused: dict[str, str]
    calibrators: int
    ends: dict[Path, str]


def sort_frames(files: Iterable[Path], settings: Settings, known: Sequence[Calibrator] = ()) -> Sorted:
    """Sort the exposures of files by what they are of, in the order in which they come.

    Those without a WCS come last: the field that one names would join frames of all the places called so.

    Parameters
    ----------
    files : iterable of Path
    settings : Settings
    known : sequence of Calibrator
        What frames may be calibrated with.
    """
    groups: list[Group] = []
    unplaced: list[tuple[Outline, list[str]]] = []
    refused: list[tuple[Path, Refusal]] = []
    paths: list[Path] = []
    calibrators = 0
    for path in files:
        paths.append(path)
        content = content_hash(path)
        for each in outlines(path, settings.camera.keywords):
            if isinstance(each, Refusal):
                refused.append((path, each))
                continue
            if each.exposure.kind is not FrameKind.SCIENCE:
                calibrators += 1
                continue
            serving = choose(known, each.exposure, each.shape, *settings.site.position[1:]).calibrators
            marks = [f"{content}[{each.extension}]", *(one.content for one in serving)]
            if (place := footprint(each.wcs, each.shape)) is None:
                unplaced.append((each, marks))
            else:
                _add(groups, each, place, marks)
    for each, marks in unplaced:
        _add(groups, each, None, marks)
    ends = ends_of(paths)
    told = {called(each.name, path, ends): each.reason for path, each in refused}
    return Sorted(groups, told, calibrators, ends)


def _add(groups: list[Group], frame: Outline, place: Cone | None, marks: list[str]) -> None:
    said = frame.exposure
    group = next((each for each in groups if each.takes(frame, place)), None)
    if group is None:
        group = Group(said.filter, said.field, said.instrument, place, frame.shape)
        groups.append(group)
    alone = said.name == frame.path.name
    group.frames.append((frame.path, None if alone else frame.extension))
    group.names.append(said.name)
    group.marks.extend(marks)
