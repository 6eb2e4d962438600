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
        "realbogus": "2716034b70f744fc9014a1781fe45c152fbde8fc02bc6d3dba4c2fffea69ac42",
        "tree": "f7f2217c8300c350828c142ddd65f319f22153de5211601232c084ee0537b668",
        "unet": "3ce180260198aed067aebd14c5f3f663e4ad2ad0c230673ee2578e9c0fc177fa",
        "isolation_forest": "fee42c5a12394e0cf45c05e5d970a1fe966d9d62089d7e44bcb32f73bee993dc",
        "one_class_svm": "c6b7bf7199f8f2cf82f4b68ae04616fe3a11aafee16fc3f1a3b7ba053b29bbc9",
        "ensemble": "bde9598e591329cc8ec3141e3ec655bc8b93d91f7b39f511b9dbd476ef50e14b",
    }.items()
}
