"""Memory that arrays gave back is not asked for again."""

import subprocess
import sys

import pytest

from core.operations.freed_memory import keep_freed_memory

FAULTS = """
import resource, threading
import numpy as np
{told}
def once():
    arrays = [np.ones(2**19) for _ in range(6)]  # 4 MiB each
def beside():
    thread = threading.Thread(target=once)
    thread.start()
    thread.join()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
once(), once()
before = faults()
for _ in range(10):
    {what}()
print(faults() - before)
"""
TOLD = "from core.operations.freed_memory import keep_freed_memory; keep_freed_memory()"


def faults(told, what="once"):
    """Pages that the kernel cleared for a process that made and freed 24 MiB of arrays ten times."""
    program = FAULTS.format(told=told, what=what)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(run.stdout)


def test_arrays_get_the_pages_of_those_before_them():
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt")
    assert faults(TOLD) < 0.1 * faults("")


def test_threads_get_those_of_other_threads():
    if not keep_freed_memory():
        pytest.skip("the C library has no mallopt")
    assert faults(TOLD, "beside") < 0.1 * faults("", "beside")


def test_it_may_be_told_again():
    assert keep_freed_memory() == keep_freed_memory()
