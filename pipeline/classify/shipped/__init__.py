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
        "realbogus": "5885086b1445516134cb7d45a2463fd51df52461e79e90abe08cf5a54bd6e11c",
        "tree": "6b1a7da87eb9296e621997c636e152aa04027ee35af5f8d2edded435593c327d",
        "unet": "ec0b9ce710b7be3934e4546a2118d50801ec483d0b00398824dc8319baa931e2",
        "isolation_forest": "499541e3beb0475fec64f8b268889d7da50ef2d7ea6be420f3984a67429f8b98",
        "one_class_svm": "30cc6c807daeccc8a1c6b362e4755631bd04198466e57ffdddbf786a5b76672f",
        "ensemble": "bc598abf913a5e7757bc7fd03db3cf8784d96756357677a97936b39f9987fc8b",
    }.items()
}
