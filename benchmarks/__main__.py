"""Every benchmark, one after the other."""

from benchmarks import engines, frame, power, start, why

for benchmark in (start, frame, engines, power, why):
    print(f"== {benchmark.__name__}")
    benchmark.main()
