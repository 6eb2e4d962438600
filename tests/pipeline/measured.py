"""Frames of references measured once for all tests of a module: they build the same ones again and again.

What is measured is of the pixels, the header and the settings alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from core.settings import Settings
from pipeline.calibration.masters import Masters
from pipeline.clock import StageClock
from pipeline.frame import FrameRefused, PreparedReference, RawFrame
from pipeline.measure import Measured, measure
from pipeline.reference import references
from pipeline.reference.prepare import prepare_image
from pipeline.reference.reference_file import ReferenceImage


@contextmanager
def measured_once() -> Iterator[None]:
    """Let `pipeline.reference.references` find again what it measured of the same frame; without masters."""
    kept: dict[object, object] = {}

    def once(key: object, make: Callable[[], object]) -> object:
        if key not in kept:
            try:
                kept[key] = make()
            except FrameRefused as refused:
                kept[key] = refused
        if isinstance(kept[key], FrameRefused):
            raise kept[key]
        return kept[key]

    def measured(raw: RawFrame, masters: Masters | None, settings: Settings, clock: StageClock) -> Measured:
        if masters is not None:
            return measure(raw, masters, settings, clock)
        pixels = hashlib.sha256(raw.data.tobytes() + raw.mask.tobytes()).digest()
        key = pixels, raw.header.tostring(), raw.exposure, raw.notes, settings.science_hash
        return once(key, lambda: measure(raw, masters, settings, clock))

    def prepared(image: ReferenceImage, settings: Settings) -> PreparedReference:
        frame = image.frame
        planes = (frame.data, frame.background, frame.variance, frame.mask)
        pixels = hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).digest()
        said = image.names, image.flux_unit, image.zeropoint, image.mag_system
        key = pixels, frame.header.tostring(), frame.exposure, said, settings.science_hash
        return once(key, lambda: prepare_image(image, settings))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references, "measure", measured)
        patch.setattr(references, "prepare_image", prepared)
        yield
