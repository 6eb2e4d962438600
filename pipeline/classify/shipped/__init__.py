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
        "realbogus": "009f20690653d9a2405cc13462e165fbe02f6a12c72eb103bf297b9edadefcbf",
        "tree": "4e52bdd5deba707283f6b960bb98c7f91793aae31a3c7e8b9b70c19900ea22da",
        "unet": "ec0b9ce710b7be3934e4546a2118d50801ec483d0b00398824dc8319baa931e2",
        "isolation_forest": "39daf492016ca17459ad36a06ce231dd8ac14510cac8008060ead43ccccd9070",
        "one_class_svm": "716c90bbe1282870db757c8b59a45570e065209a113bc4269e7aa1e2385a838d",
        "ensemble": "fae0a7829a14c4c01b262f4bf2fe6c7da2f39a9002f35882a9427971a8809e38",
    }.items()
}
