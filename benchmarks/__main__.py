"""Every benchmark, one after the other."""

from benchmarks import console, depth, engines, frame, known_sky, packets, power, start, unet, why

for benchmark in (start, console, frame, depth, packets, known_sky, engines, power, unet, why):
    print(f"== {benchmark.__name__}")
    benchmark.main()
