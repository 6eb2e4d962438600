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
        "isolation_forest": "39a7a154bb83addf6ed9ec62d06aa818ef8bb3270ce19326253e3559d54e66b5",
        "one_class_svm": "45188115dedc27cb44f1b217fba1a83f0cbf9c84f7e9fb9ff1c8cfe6057f3c6f",
        "ensemble": "e29d143c813a3ff09b09981bfc7cefa3af729330c33d80b5f85a86240309dec3",
    }.items()
}
