"""The forms of light curves: the cells of epochs that are printed, and what files are written."""

from __future__ import annotations

from typing import Any

FORMS = {  # by what a file's name ends in
    ".csv": "csv", ".json": "json", ".ecsv": "ecsv",
    ".vot": "votable", ".votable": "votable", ".xml": "votable",
}  # fmt: skip


def flux_cells(row: dict[str, Any]) -> tuple[str, str, str]:
    """A flux, its error and their unit: nanojansky where the zeropoint is known, else as it was measured."""
    if row["flux_err_njy"] is not None:
        return number(row["flux_njy"], 1), number(row["flux_err_njy"], 1), "nJy"
    return number(row["flux"], 1), number(row["flux_err"], 1), row["flux_unit"] or "-"


def mag_cells(row: dict[str, Any]) -> tuple[str, str, str | None]:
    """A magnitude, or the limit that it is fainter than, its error and its system."""
    fainter = ">" if row["is_limit"] and row["mag"] is not None else ""
    return f"{fainter}{number(row['mag'], 3)}", number(row["mag_err"], 3), row["mag_system"]


def number(value: object, digits: int) -> str:
    """A number with so many digits; a dash where there is none."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"
