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
        "realbogus": "717e43692562f6f08daf64a2923769fd060a3c206ff5317159f24c7fdac49f8c",
        "tree": "f7f2217c8300c350828c142ddd65f319f22153de5211601232c084ee0537b668",
        "unet": "3ce180260198aed067aebd14c5f3f663e4ad2ad0c230673ee2578e9c0fc177fa",
        "isolation_forest": "499541e3beb0475fec64f8b268889d7da50ef2d7ea6be420f3984a67429f8b98",
        "one_class_svm": "30cc6c807daeccc8a1c6b362e4755631bd04198466e57ffdddbf786a5b76672f",
        "ensemble": "b7a2387c0219b3e9c34e2d83ef23d24dafa18cd261ac6f7cd284cde33517140d",
    }.items()
}
