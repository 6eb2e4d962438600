"""Every benchmark, one after the other."""

from benchmarks import frame, power, start, why

for benchmark in (start, frame, power, why):
    print(f"== {benchmark.__name__}")
    benchmark.main()
