"""How many threads numerical libraries use: one, unless the environment says another number.

What AstrID gives them is small (stamps, tiles, a few hundred stars), and threads that wait for each other on
shared cores took twice the time that one needs alone. More frames at once are what more cores are for.
"""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
