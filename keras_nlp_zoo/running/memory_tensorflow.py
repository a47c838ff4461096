"""Memory on TensorFlow: what a step frees is kept for the next.

TensorFlow's kernels allocate in threads of their own, and glibc hands what they free back to the system, which has to
clear it before it is theirs again. On two cores a cnn's epoch of 157 steps took 9 s, with half of the processor's time
spent there; with this it takes 4 s. On JAX and PyTorch the same settings change nothing.
"""

import ctypes
import os
import platform

# The numbers that mallopt(3) gives its settings. What is not set stays at a default that the first setting freezes.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3


def keep_freed() -> None:
    """Has glibc keep memory; does nothing without glibc, or where variables `MALLOC_...` of the environment are set."""
    if platform.libc_ver()[0] == "glibc" and not any(name.startswith("MALLOC_") for name in os.environ):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, 32 << 20)  # the most it takes
        mallopt(TRIM_THRESHOLD, 1 << 30)
        # A thread's memory lies in pieces of 64 MB, and the last is given back whole unless less than this were left.
        # Two pieces never have more: a cnn's epoch after an lstm was trained took 6 s with 16 MB, 3 s with 128.
        mallopt(TOP_PAD, 128 << 20)
