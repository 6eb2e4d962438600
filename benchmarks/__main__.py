"""Every benchmark, one after the other."""

from benchmarks import console, depth, engines, frame, power, start, why

for benchmark in (start, console, frame, depth, engines, power, why):
    print(f"== {benchmark.__name__}")
    benchmark.main()
