"""What the U-Net sees of a frame; where threads are to be had, they look while this one goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from core.operations.threads import threads_of
from core.settings import Settings
from pipeline.classify.model_file import ModelRefused
from pipeline.classify.unet import NAME, LogOdds, UNet, loaded, shipped
from pipeline.classify.unet_input import frame_input
from pipeline.frame import Aligned, Difference, PreparedReference

Version = tuple[Path, str | None]  # a folder and its digest

SHOWN = 12  # digits of a digest
MOST_TILES = 2  # in hand at a time: each takes as much memory as a third of all else


@dataclass(frozen=True, slots=True)
class Look:
    """A network and its maps, none where none could be used; ``remarks`` are for the frame's owner."""

    network: UNet | None = None
    maps: LogOdds | None = None
    remarks: tuple[str, ...] = ()


@contextmanager
def looking(
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    settings: Settings,
    version: Version | None = None,
) -> Iterator[Callable[[], Look]]:
    """Let the U-Net look at a frame until what it sees is asked for.

    With one thread it looks when it is asked. With more it looks at once, and at more tiles at a time as soon
    as it is asked: until then the caller is at work. What is left of it at the end is given up.

    Parameters
    ----------
    difference : Difference
    new : Aligned
    reference : PreparedReference
    settings : Settings
        ``detect.unet``, ``run.threads``.
    version : (Path, str or None), optional
        Folder and digest of the U-Net in use; where it is refused, or none is given, the one that comes
        with AstrID takes part.
    """
    if not settings.detect.unet:
        yield Look
        return
    asked, stop = Event(), Event()
    at_once = tiles_at_once(settings)
    look = partial(_look, difference, new, reference, version, at_once, asked, stop)
    if at_once == 1:
        yield look
        return
    with ThreadPoolExecutor(1, thread_name_prefix="unet") as pool:
        looked = [pool.submit(look)]

        def wait() -> Look:
            asked.set()
            return looked.pop().result()  # the maps are nobody's but the caller's

        try:
            yield wait
        finally:
            stop.set()
            asked.set()


def tiles_at_once(settings: Settings) -> int:
    """How many tiles of a frame a network looks at at a time."""
    return min(threads_of(settings), MOST_TILES)


def _look(
    difference: Difference,
    new: Aligned,
    reference: PreparedReference,
    version: Version | None,
    at_once: int,
    asked: Event,
    stop: Event,
) -> Look:
    planes = frame_input(difference, new, reference)
    remarks: list[str] = []
    versions: list[Callable[[], UNet]] = [partial(loaded, *version)] if version else []
    for load in (*versions, shipped):
        try:
            network = load()
            maps = network.log_odds(planes, at_once=at_once, helped=asked, stop=stop)
        except ModelRefused as refused:
            which = f"{NAME} {version[1][:SHOWN]} is refused: " if version and version[1] else ""
            remarks.append(f"{'' if remarks else which}{refused}.")
            continue
        said = [*remarks, "The U-Net that comes with AstrID took part instead."] if remarks else []
        return Look(network, maps, tuple(said))
    return Look(remarks=(remarks[0], "No U-Net took part."))
