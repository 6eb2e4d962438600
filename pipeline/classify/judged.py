"""What the second generator says of the models that come with AstrID, as their cards tell it.

The numbers are kept beside the models by ``python -m benchmarks.judge --keep``; each is of one digest, and of
no other version of the model.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.classify.shipped import SHIPPED

FILE = next(iter(SHIPPED.values())).folder.parent / "judged.json"


def judged(name: str, digest: str) -> dict[str, Any] | None:
    """What was found of one model.

    Returns
    -------
    dict or None
        ``command``; ``second_generator`` and ``own_kind``, each with what was missed where 1 % of the bogus
        is kept and the interval; ``gap``, their difference. None where this very model was not judged.
    """
    try:
        found: dict[str, Any] = json.loads(FILE.read_text()).get(name, {})
    except (OSError, ValueError):
        return None
    return found if found.get("digest") == digest else None
