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
        "realbogus": "021ef964d867e028c19df2575e4f5c74d1bf5e33456344c1036973688084fddf",
        "tree": "f7f2217c8300c350828c142ddd65f319f22153de5211601232c084ee0537b668",
        "unet": "3ce180260198aed067aebd14c5f3f663e4ad2ad0c230673ee2578e9c0fc177fa",
        "isolation_forest": "db90da8fa1bdad8fd10fb471ce1b89e99a153decb1050d5e5577c8622c0ebd40",
        "one_class_svm": "be895139cd784d80977f486b4f272358110a577cde36d7f51d648e1b598fe7c2",
        "ensemble": "c73d59e01d0365408cff806ec09deac24646e3af70757aa7cb4eeecb462e13a2",
    }.items()
}

# Tells kinds of candidates for searches; it gives no score, and there is one version of it.
KINDS = ShippedModel(_HERE / "kinds", "bc2794c9e21e5f15a45f159388fa91231a1d4b5fa792ed62b2e8e9b3e76049df")
