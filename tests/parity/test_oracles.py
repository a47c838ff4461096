"""What has torch as its oracle, on the backends whose own environment has no torch."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_torch_is_the_oracle(backend):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/interop", "-p", "no:cacheprovider"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    counts = re.search(r"(\d+) passed(.*) in ", done.stdout)
    assert int(counts[1]) > 30
    assert "skipped" not in counts[2]
