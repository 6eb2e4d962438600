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
        "unet": "38401ed49c6cdd10aeb41a07124b276477877e06821ffbdaefc0562bf2b8d752",
        "isolation_forest": "39daf492016ca17459ad36a06ce231dd8ac14510cac8008060ead43ccccd9070",
        "one_class_svm": "716c90bbe1282870db757c8b59a45570e065209a113bc4269e7aa1e2385a838d",
        "ensemble": "2f665c628e9d042ff6cce8f072bae4c1b451e569bf31a7c9fc1f8ed095dd4aaf",
    }.items()
}
