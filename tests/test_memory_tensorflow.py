"""Memory that a thread frees comes back to it without the system, which counts the pages that it hands out."""

import os
import platform
import resource
import threading

import keras
import numpy as np
import pytest

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="on the other backends nothing is set"),
    pytest.mark.skipif(
        platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ),
        reason="nothing is set without glibc, or where the environment sets it",
    ),
]


def pages_fetched(megabytes, times=20, at_once=4):
    """How many pages a thread fetches that allocates, fills and frees arrays again and again."""
    fetched = []

    def work():
        for repetition in range(times + 2):
            if repetition == 2:  # the first times fetch what is then kept
                before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
            arrays = [np.ones(int(megabytes * 2**20), "uint8") for _ in range(at_once)]
            del arrays
        fetched.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return fetched[0], times * at_once * int(megabytes * 2**20) // resource.getpagesize()


@pytest.mark.parametrize("megabytes", [4, 12])
def test_freed_memory_is_kept(megabytes):
    """A layer's outputs and a recurrent layer's gates are of these sizes."""
    fetched, all_pages = pages_fetched(megabytes)
    assert fetched < 0.05 * all_pages
