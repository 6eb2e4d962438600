"""Versions with a network that were trained or brought in, tried before a night is at stake.

`import` and `promote` try them too, but on their own machine, and with the ONNX Runtime of that day. What
comes with AstrID is not tried, nor what is plain arrays.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from core.bounded_file import bounded_bytes
from core.models.files import Stamps, stamps
from core.unfinished import unfinished
from pipeline.classify.model_file import NETWORK, ModelRefused, read

READERS = ("onnx", "onnxruntime")  # that a trial holds for
MOST_MARK = 1000  # bytes
MARK = ".ran"  # behind a folder's name: by which readers its network was run


def see_that_it_ran(folder: Path, digest: str | None) -> None:
    """See that a version runs, by a trial on this machine unless there was one.

    Parameters
    ----------
    folder : Path
    digest : str, optional
        None of a version that came with AstrID.

    Raises
    ------
    ModelRefused
        It cannot be read, or does not run.
    """
    if digest is None or not (folder / NETWORK).exists():
        return
    mark = folder.with_name(folder.name + MARK)
    readers = " ".join(f"{each} {version(each)}" for each in READERS)
    if _text(mark) == readers:
        return
    read(folder, digest)  # what cannot be read now may be in a minute; whether it runs does not change
    if (why := _why_not(folder, digest, stamps(folder))) is not None:
        raise ModelRefused(why)
    try:
        with unfinished(mark) as part:
            part.write_text(readers)
    except OSError:
        return  # the next process tries it again


def _text(path: Path) -> str | None:
    try:
        return bounded_bytes(path, MOST_MARK).decode()
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=64)
def _why_not(folder: Path, digest: str, _seen: Stamps) -> str | None:
    from pipeline.classify.first_run import run_once
    from pipeline.classify.trial import survive

    try:
        survive("it", run_once, folder, digest)
    except ModelRefused as refused:
        return str(refused)
    return None
