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
        "realbogus": "bbe14a0ff2a91e7783e79ee10bac79b53041d82b4a5672787a616c8356c7cf90",
        "tree": "c736dc01db023d90652ee565fbd7cdcae76b7b7325d3f69cdd5fc1131d21c653",
        "unet": "7ef9e4bf4312d0b579124af941e1bb45bfd9eb78ae49abd65ac85835b4f08803",
    }.items()
}
