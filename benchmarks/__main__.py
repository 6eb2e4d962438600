"""Every benchmark, one after the other."""

from benchmarks import frame, start

for benchmark in (start, frame):
    print(f"== {benchmark.__name__}")
    benchmark.main()
