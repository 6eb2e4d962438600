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
        "realbogus": "89430376e6b8c5650742b7547a114a5a2a7716bd503797d9d1425fd1160e2692",
        "tree": "f7f2217c8300c350828c142ddd65f319f22153de5211601232c084ee0537b668",
        "unet": "3ce180260198aed067aebd14c5f3f663e4ad2ad0c230673ee2578e9c0fc177fa",
        "isolation_forest": "499541e3beb0475fec64f8b268889d7da50ef2d7ea6be420f3984a67429f8b98",
        "one_class_svm": "30cc6c807daeccc8a1c6b362e4755631bd04198466e57ffdddbf786a5b76672f",
        "ensemble": "e29d143c813a3ff09b09981bfc7cefa3af729330c33d80b5f85a86240309dec3",
    }.items()
}
