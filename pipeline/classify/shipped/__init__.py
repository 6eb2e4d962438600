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
        "unet": "da53e619dfb7ad20c5b3e0e6b1ac3f00948ce0f0021b9008de6fefbe73983035",
        "isolation_forest": "39daf492016ca17459ad36a06ce231dd8ac14510cac8008060ead43ccccd9070",
        "one_class_svm": "716c90bbe1282870db757c8b59a45570e065209a113bc4269e7aa1e2385a838d",
        "ensemble": "16ce779acbb71ab775667d80212f8c070a8d3975e442a44195773e1beb3c95de",
    }.items()
}
