"""What it costs to be able to answer `astrid why`: time and bytes a frame, and the time of an answer.

python -m benchmarks.why
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.frame import ONE_THREAD
from benchmarks.usage import measure

SIZES = (1024, 2048)
FRAMES = 3
COPIES = 500  # frames of one place, for the answer
SHARE_AIM, BYTES_AIM = 0.03, 50_000


def main() -> None:
    """Print the figures."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "benchmarks.why", str(size), folder]
            found = json.loads(measure(command, ONE_THREAD).output)
        print(
            f"{size} x {size}: recorded in {found['share']:.2%} of a frame's time (goal {SHARE_AIM:.0%}), "
            f"{found['bytes'] / 1000:.1f} kB a frame ({found['bytes'] / BYTES_AIM:.2f} of the goal)"
        )
        share = found["answer_s"] / found["frame_s"]
        print(f"  an answer of 50 of {COPIES} frames takes {share:.3f} of a frame's time")


def child(size: int, folder: Path) -> None:
    """Process a night and look into its store: the share and the bytes are what its runs recorded."""
    from sqlmodel import col, func, select

    from astrid_tui.demo import demo_settings, run_demo
    from core.database.store import open_store
    from core.database.tables import Observation, ScoreMap, StageRun

    run_demo(folder, frames=FRAMES, size=size, seed=1, workers=1)
    store = open_store(demo_settings(folder).store_url)
    with store.read() as session:
        stages = session.exec(select(StageRun)).all()
        blobs = session.exec(select(func.length(ScoreMap.blocks))).all()
        ra, dec = session.exec(
            select(Observation.ra, Observation.dec).where(col(Observation.kind) == "science")
        ).first()
    totals: dict[int, dict[str, float]] = {}
    for each in stages:
        totals.setdefault(each.observation_id, {})[each.stage] = each.seconds
    found = {
        "share": median(times["record"] / sum(times.values()) for times in totals.values()),
        "bytes": max(blobs),
        "frame_s": median(sum(times.values()) for times in totals.values()),
        "answer_s": _answer_s(store, ra, dec),
    }
    print(json.dumps(found))


def _answer_s(store, ra: float, dec: float) -> float:  # noqa: ANN001
    """Seconds of one page of an answer, once the store holds many frames of the place."""
    from sqlmodel import col, select

    from core.database.tables import Difference, Observation, ScoreMap
    from core.places.why import why

    with store.write() as session:
        frame = session.exec(select(Observation).where(col(Observation.kind) == "science")).first()
        difference = session.exec(
            select(Difference).where(col(Difference.observation_id) == frame.id)
        ).first()
        blocks = session.get_one(ScoreMap, difference.id).blocks
        for number in range(COPIES):
            seen = Observation(**frame.model_dump(exclude={"id", "content"}), content=f"copy {number}")
            session.add(seen)
            session.flush()
            row = Difference(
                **difference.model_dump(exclude={"id", "observation_id"}), observation_id=seen.id
            )
            session.add(row)
            session.flush()
            session.add(ScoreMap(difference_id=row.id, blocks=blocks))
    times = []
    for _ in range(3):
        began = time.perf_counter()
        assert len(why(store, ra, dec).frames) == 50
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        child(int(sys.argv[1]), Path(sys.argv[2]))
