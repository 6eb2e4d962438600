"""Where the files of references are."""

from pathlib import Path

FOLDER = "references"  # of AstrID's home


def file_of(path: str, home: Path) -> Path:
    """Where the file of a reference is: where it was made, or else in this home, which may have been moved.

    Its name tells its content, so that no other can be taken for it.
    """
    made, here = Path(path), home / FOLDER / Path(path).name
    return here if not made.exists() and here.exists() else made
