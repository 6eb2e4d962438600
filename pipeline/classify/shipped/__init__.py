"""The models that come with AstrID, and the digests that they must have."""

from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A model's folder and its digest."""

    folder: Path
    digest: str


SHIPPED: dict[str, ShippedModel] = {
    name: ShippedModel(_HERE / name, digest)
    for name, digest in {
        "realbogus": "0" * 64,
        "tree": "0" * 64,
        "unet": "5f1671ae7e38d317a329c5ecd3bafcec799d5289d44ae60318be1080d015c173",
    }.items()
}
