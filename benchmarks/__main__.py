"""Every benchmark, one after the other."""

from benchmarks import console, depth, engines, frame, packets, power, start, why

for benchmark in (start, console, frame, depth, packets, engines, power, why):
    print(f"== {benchmark.__name__}")
    benchmark.main()
