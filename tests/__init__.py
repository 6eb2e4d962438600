"""The tests. As the command does it, each uses one thread in numerical libraries, unless told otherwise.

This is imported before anything that imports NumPy. Sums by one thread and by two differ in their last
digits, and what frames yield is compared to the last.
"""

import os

from core.operations.threads import THREAD_VARIABLES

for _name in THREAD_VARIABLES:
    os.environ.setdefault(_name, "1")
