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
        "realbogus": "54b1be1562b537317365f3229197d394d2d448ac0ee49efe7e22642ad8afdfbc",
        "tree": "d8c15429627ee052669a37f520853892e77f4da8df04164760f13874b6d9ceb6",
        "unet": "ec0b9ce710b7be3934e4546a2118d50801ec483d0b00398824dc8319baa931e2",
        "isolation_forest": "39daf492016ca17459ad36a06ce231dd8ac14510cac8008060ead43ccccd9070",
        "one_class_svm": "716c90bbe1282870db757c8b59a45570e065209a113bc4269e7aa1e2385a838d",
        "ensemble": "a4cba82a80e79076a6f8d6e54690b5ac63c22c882a6e18281738e8f6adb77746",
    }.items()
}
