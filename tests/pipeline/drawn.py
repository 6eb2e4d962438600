"""Simulated fields, drawn once for all tests of a module that learn of them: each takes half a second.

That a seed gives the same field is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from core.settings import Settings
from pipeline.training import fields
from pipeline.training.conditions import Conditions
from pipeline.training.fields import TrainingField, told_by


@contextmanager
def drawn_once(*modules: str) -> Iterator[None]:
    """Let some modules of `pipeline.training` share the fields that they ask for."""
    drawn: dict[object, TrainingField] = {}

    def field(
        seed: int,
        size: int = 512,
        streaks: bool = True,
        conditions: Conditions | None = None,
        settings: Settings | None = None,
    ) -> TrainingField:
        key = seed, size, streaks, conditions, told_by(settings)
        if key not in drawn:
            drawn[key] = fields.field(seed, size, streaks, conditions, settings)
        if settings is None:
            return drawn[key]
        # Whether a U-Net looks at a field afterwards changes nothing of it.
        own = drawn[key].settings.model_copy(update={"detect": settings.detect})
        return replace(drawn[key], settings=own)

    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(f"pipeline.training.{module}.field", field)
        yield
