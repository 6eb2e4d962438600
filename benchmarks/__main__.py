"""Every benchmark, one after the other."""

from benchmarks import console, engines, frame, known_sky, power, start, why

for benchmark in (start, console, frame, engines, power, why, known_sky):
    print(f"== {benchmark.__name__}")
    benchmark.main()
