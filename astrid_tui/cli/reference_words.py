"""What commands say of a reference."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.database.tables import Reference

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


def summary_of(row: "Reference") -> str:
    """What kind of image it is, in a few words."""
    where = f"{row.ra:.5f} {row.dec:+.5f}" if row.ra is not None and row.dec is not None else "no WCS"
    seeing = f", FWHM {row.seeing_px:.2f} px" if row.seeing_px else ""
    return f"field {row.field or '-'}, filter {row.filter or '-'}, {row.width}x{row.height}, {where}{seeing}"


def record_of(row: "Reference") -> dict[str, Any]:
    """It as JSON."""
    return row.model_dump(exclude={"content"})
