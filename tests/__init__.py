"""The tests. As the command does it, each uses one thread in numerical libraries, unless told otherwise.

Sums by one thread and by two differ in their last digits, and what frames yield is compared to the last. The
variables are for processes that tests start; a plugin of pytest may have loaded NumPy in this one already.
And as whoever subtracts does, each keeps the memory that arrays gave back.
"""

import gc
import os

from threadpoolctl import threadpool_limits

from core.operations.freed_memory import keep_freed_memory
from core.operations.threads import THREAD_VARIABLES

gc.set_threshold(10_000, 10, 10)  # tests leave little, and looking for it took a sixth of their time
for _name in THREAD_VARIABLES:
    os.environ.setdefault(_name, "1")
threadpool_limits(int(os.environ["OMP_NUM_THREADS"] or "1"))
keep_freed_memory()
