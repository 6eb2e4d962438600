"""What is to be said when another version of a model comes to use: of the queue, and of the ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.database.store import Store
from core.models import versions
from core.models.shipped import ShippedModelMissing, shipped
from core.models.weighed import ENSEMBLE, OF_FRAMES, differing, weighed_with


def kept_scores(name: str) -> str | None:
    """What is to be said of the queue when another version of a model comes to use."""
    if name in OF_FRAMES:
        return None
    return "What is in the queue keeps its scores until `astrid models rescore`"


def remark(store: Store) -> str | None:
    """What is to be said of the ensemble in use beside the members in use; none where they fit."""
    used = versions.in_use(store, [ENSEMBLE])[ENSEMBLE]
    try:
        if used.number == versions.SHIPPED:
            description: Mapping[str, Any] = shipped(ENSEMBLE).description
        else:
            description = versions.version(store, ENSEMBLE, used.number).description
        members = weighed_with(description)
        scoring = {
            name: each.digest or shipped(name).digest
            for name, each in versions.in_use(store, members).items()
        }
    except ShippedModelMissing:
        return None
    return differing(members, scoring)
