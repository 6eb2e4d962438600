"""What the work takes: energy counters of GPUs (NVML) and CPUs (RAPL), read while frames are processed.

Whatever cannot be measured is a value that says why; nothing is estimated in its place.
"""
