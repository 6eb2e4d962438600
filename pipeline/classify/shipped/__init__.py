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
        "realbogus": "778b61fddeb44f7a5fbac5130c924ffb3fb450bbd6f1c226f557e58724045e97",
        "tree": "685de23615a44421c09a540980c5ba91b33270928ae08e9bfffe9f7cfc14e765",
        "unet": "7ef9e4bf4312d0b579124af941e1bb45bfd9eb78ae49abd65ac85835b4f08803",
    }.items()
}
