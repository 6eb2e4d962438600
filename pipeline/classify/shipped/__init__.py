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
        "realbogus": "0e2cd55d7a69893605831d4d94f3c6d3d7a2fca3105a7e4cd86bf058a3b7fb47",
        "tree": "2155ab0cc33283b3757b71a0ed015c32c5286ee0249632f199bf62366993dadd",
        "unet": "38401ed49c6cdd10aeb41a07124b276477877e06821ffbdaefc0562bf2b8d752",
        "isolation_forest": "39daf492016ca17459ad36a06ce231dd8ac14510cac8008060ead43ccccd9070",
        "one_class_svm": "716c90bbe1282870db757c8b59a45570e065209a113bc4269e7aa1e2385a838d",
        "ensemble": "15cb3bc25eefda56bab3e15241709c05bd790f2a303e2c3e59c29625714a8aa2",
    }.items()
}
