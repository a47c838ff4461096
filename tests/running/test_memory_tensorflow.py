"""Memory that a thread frees comes back to it without the system, which counts the pages that it hands out."""

import os
import pathlib
import platform
import runpy
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="there is nothing to set without glibc")
MODULE = pathlib.Path(__file__).parents[2] / "keras_nlp_zoo" / "running" / "memory_tensorflow.py"

# In a process of its own, since what is set stays set: a thread allocates, fills and frees arrays, and prints how many
# of the pages it touched had to be fetched. The first times fetch what is then kept.
THREAD = """
import random, resource, runpy, sys, threading
import numpy as np

sizes = [int(megabytes) * 2**20 for megabytes in sys.argv[2:]]
order = random.Random(0).sample(range(len(sizes)), len(sizes))
if sys.argv[1]:
    runpy.run_path(sys.argv[1])["keep_freed"]()

def pages():
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt

def work():
    for time in range(22):
        if time == 2:
            before = pages()
        arrays = {i: np.ones(size, "uint8") for i, size in enumerate(sizes)}
        for i in order:
            del arrays[i]
    print((pages() - before) / (20 * sum(sizes) / resource.getpagesize()))

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def share_fetched(megabytes, keep, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", THREAD, str(MODULE) if keep else "", *map(str, megabytes)]
    return float(subprocess.run(command, env=environment | variables, capture_output=True, check=True).stdout)


MIXED = [25, 24, 2, 16, 31, 25, 19, 12, 9, 13, 5, 28, 3, 26, 14, 8, 22, 11, 30, 4]


@pytest.mark.parametrize("megabytes", [[4] * 4, [12] * 4, MIXED], ids=["outputs", "gates", "mixed"])
def test_freed_memory_is_kept(megabytes):
    """Of the sizes of a layer's outputs, of a recurrent layer's gates, and of what two models leave behind."""
    assert share_fetched(megabytes, keep=False) > 0.04  # or there would be nothing to do
    assert share_fetched(megabytes, keep=True) < 0.01


def test_the_environment_has_the_last_word():
    assert share_fetched([4] * 4, keep=True, MALLOC_ARENA_TEST="8") > 0.1


def test_nothing_to_set_without_glibc(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr("ctypes.CDLL", None)  # calling it would fail
    runpy.run_path(str(MODULE))["keep_freed"]()
