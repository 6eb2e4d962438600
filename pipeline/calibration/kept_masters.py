"""Master calibration frames on disk, by the content of what they were made of and how."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.least_used import make_room, used
from core.settings import Settings
from core.unfinished import unfinished
from pipeline.calibration.choice import Calibrator, Choice, choose
from pipeline.calibration.masters import Masters, build
from pipeline.calibration.mean_noise import MeanNoise
from pipeline.calibration.overscan import Section
from pipeline.calibration.photon_transfer import PhotonTransfer
from pipeline.files.npz_file import DAMAGE
from pipeline.frame import Exposure, FrameRefused

log = logging.getLogger(__name__)

NOTES = "notes"
UNREAD = "unread"
HOLDS_BIAS = "dark_holds_bias"
TRANSFER = "transfer"
NOISE = "noise"
UNTOLD = "untold"
TEXTS = (NOTES, UNREAD, UNTOLD)
CACHE_FORMAT = "11"


def masters_for(
    calibrators: Sequence[Calibrator],
    exposure: Exposure,
    shape: tuple[int, int],
    settings: Settings,
    part: Section | None = None,
) -> Masters | None:
    """The masters for a frame, from the cache or built and then kept there.

    Those that were not used for longest go when all together take more room than ``keep_gib``.

    Parameters
    ----------
    calibrators : sequence of Calibrator
        All that are known; those that do not fit are left out.
    exposure : Exposure
        The science frame's.
    shape : (int, int)
        Height and width of the science frame's array in its file.
    settings : Settings
        ``home`` is where masters are kept; of ``site`` the longitude tells when it is noon.
    part : Section, optional
        What remains of the science frame's array without its overscan, where that is known.

    Returns
    -------
    Masters or None
        ``None`` where there is none for this camera.

    Raises
    ------
    FrameRefused
        None of a kind that fits is of use, or they find no room.
    """
    has_overscan = part is not None and part.size != shape[::-1]
    choice = choose(calibrators, exposure, shape, *settings.site.position[1:], has_overscan=has_overscan)
    if not choice.calibrators:
        return Masters(notes=choice.notes) if choice.notes else None
    scaled, of_length = _contents(choice, part)
    folder = settings.home / "masters"
    cached = load(folder, scaled) or load(folder, of_length)
    if cached is None or _is_mended(choice, cached):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            cached = build(choice, folder=folder if folder.is_dir() else None, part=part)
        except OSError as error:
            why = error.strerror or str(error)
            raise FrameRefused(f"they cannot be combined in {folder}: {why}") from error
        cached = replace(cached, content=of_length if cached.bias is None else scaled)
        try:
            save(folder, cached)
            make_room(folder, "*.npz", settings.calibrate.keep_gib * 2**30)
        except OSError as error:  # the next frame builds them again
            log.warning("masters cannot be kept in %s: %s", folder, error.strerror or error)
    return replace(cached, notes=(*choice.notes, *cached.notes))


def _is_mended(choice: Choice, masters: Masters) -> bool:
    """Whether any of the calibration frames that could not be read can be by now."""
    for one in choice.calibrators:
        if one.content in masters.unread:
            with suppress(FrameRefused):
                one.read()
                return True
    return False


def _contents(choice: Choice, part: Section | None) -> tuple[str, str]:
    """Hashes of what masters are made of and how: of those with a bias, and of those that no bias is in.

    Without a bias, be it that none that was chosen fits, they serve exposures of one length alone.
    """
    chosen = sorted(choice.calibrators, key=lambda one: one.content)
    names = [CACHE_FORMAT, *(f"{one.exposure.kind} {one.content}" for one in chosen)]
    of_part = [] if part is None else [str(part)]
    scaled, of_length = (*names, *of_part), (*names, f"{choice.length_s:.4g} s", *of_part)
    return _hash(scaled), _hash(of_length)


def _hash(names: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def load(folder: Path, content: str) -> Masters | None:
    """Masters kept on disk, or ``None`` where there are none or they are damaged."""
    path = folder / f"{content}.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            used(path)
            images = {
                name: arrays[name]
                for name in arrays.files
                if name not in (*TEXTS, HOLDS_BIAS, TRANSFER, NOISE)
            }
            notes, unread, untold = (
                tuple(str(each) for each in arrays[name]) if name in arrays.files else () for name in TEXTS
            )
            return Masters(
                **images,
                content=content,
                notes=notes,
                dark_holds_bias=HOLDS_BIAS in arrays.files,
                unread=unread,
                transfer=_transfer_of(arrays[TRANSFER]) if TRANSFER in arrays.files else None,
                untold="".join(untold),
                noise=MeanNoise(*(float(each) for each in arrays[NOISE])),
            )
    except DAMAGE:
        return None


def save(folder: Path, masters: Masters) -> None:
    """Keep masters on disk; a reader never sees half of them."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        field.name: value
        for field in fields(masters)
        if isinstance(value := getattr(masters, field.name), np.ndarray)
    }
    for name, texts in zip(
        TEXTS, (masters.notes, masters.unread, (masters.untold,) * bool(masters.untold)), strict=True
    ):
        if texts:
            arrays[name] = np.array(texts, dtype=np.str_)
    arrays[NOISE] = np.array(astuple(masters.noise), dtype=np.float64)
    if masters.dark_holds_bias:
        arrays[HOLDS_BIAS] = np.array(True)
    if (found := masters.transfer) is not None:
        numbers = (found.gain, found.gain_err, found.read_noise, found.flats, found.biases, found.by_darks)
        arrays[TRANSFER] = np.array([*numbers, *found.each], dtype=np.float64)
    with unfinished(folder / f"{masters.content}.npz") as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _transfer_of(kept: NDArray[np.float64]) -> PhotonTransfer:
    gain, gain_err, read_noise, flats, biases, by_darks, *each = (float(number) for number in kept)
    return PhotonTransfer(
        gain, gain_err, read_noise, int(flats), int(biases), tuple(each), by_darks=bool(by_darks)
    )
