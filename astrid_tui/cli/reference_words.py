"""What commands say of a reference."""

from typing import TYPE_CHECKING, Any

from core.vocabulary import ORDERED, ObservationState

if TYPE_CHECKING:
    from core.database.tables import Observation, Reference

LISTED = 5  # names of transients that one warning tells


def light_in_it(row: "Reference", names: list[str], *, blind: bool) -> list[str]:
    """What is to be said of transients that a reference holds; who works blind is told no names."""
    if not names:
        return []
    count = "1 transient" if len(names) == 1 else f"{len(names)} transients"
    told = "" if blind else f" ({', '.join(names[:LISTED])}{', ...' if len(names) > LISTED else ''})"
    return [
        f"{count} that reviewers judged real{told} shone while its frames were taken, or may have: what is"
        f" subtracted from it lacks that light. `astrid reference retire {row.id}` goes back to the one"
        " before"
    ]


def light_in_itself(row: "Reference", frames: list["Observation"]) -> list[str]:
    """What is to be said of frames of a coadd that a run subtracts from it, or did."""
    states = [frame.state for frame in frames]
    queued = sum(state in {*ORDERED, ObservationState.RUNNING} for state in states)
    done = states.count(ObservationState.DONE)
    counts = [(queued, "queued", "is", "are"), (done, "processed", "was", "were")]
    told = [f"{count} {one if count == 1 else many} {what}" for count, what, one, many in counts if count]
    if not told:
        return []
    return [
        f"of the {row.n_frames} frames of reference {row.id}, {' and '.join(told)}: what is new in a frame is"
        " subtracted from itself in part by a reference that it is in"
    ]


def summary_of(row: "Reference") -> str:
    """What kind of image it is, in a few words."""
    where = f"{row.ra:.5f} {row.dec:+.5f}" if row.ra is not None and row.dec is not None else "no WCS"
    seeing = f", FWHM {row.seeing_px:.2f} px" if row.seeing_px else ""
    return f"field {row.field or '-'}, filter {row.filter or '-'}, {row.width}x{row.height}, {where}{seeing}"


def record_of(row: "Reference") -> dict[str, Any]:
    """It as JSON."""
    return row.model_dump(exclude={"content"})


def use_told(row: "Reference", served_by: int | None) -> str:
    """Whether frames that lie where a reference does get it, and else why not."""
    if not row.is_current:
        return "no, retired"
    return "yes" if served_by == row.id else f"no, {served_by} is newer"
