"""Every benchmark, one after the other."""

from benchmarks import (
    cones,
    console,
    depth,
    engines,
    frame,
    known_sky,
    packets,
    power,
    review,
    scoring,
    start,
    unet,
    why,
)

PIPELINE = (start, console, frame, depth, packets, known_sky, cones, engines, power)
MODELS = (unet, scoring)

for benchmark in (*PIPELINE, *MODELS, why, review):
    print(f"== {benchmark.__name__}")
    benchmark.main()
