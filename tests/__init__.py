"""The tests. As the command does it, each uses one thread in numerical libraries, unless told otherwise.

Sums by one thread and by two differ in their last digits, and what frames yield is compared to the last. The
variables are for processes that tests start; a plugin of pytest may have loaded NumPy in this one already.
"""

import os

from threadpoolctl import threadpool_limits

from core.operations.threads import THREAD_VARIABLES

for _name in THREAD_VARIABLES:
    os.environ.setdefault(_name, "1")
threadpool_limits(int(os.environ["OMP_NUM_THREADS"] or "1"))
