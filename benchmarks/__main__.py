"""Every benchmark, one after the other."""

from benchmarks import frame, power, start

for benchmark in (start, frame, power):
    print(f"== {benchmark.__name__}")
    benchmark.main()
