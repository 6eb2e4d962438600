"""What wrote a file: told in the files that leave."""

from importlib.metadata import PackageNotFoundError, version


def made_by() -> str:
    """AstrID and its version, such as ``AstrID 0.1.0``; without a version where it is not installed."""
    try:
        return f"AstrID {version('astrid-tui')}"
    except PackageNotFoundError:
        return "AstrID"
