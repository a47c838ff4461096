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
        [sys.executable, "-m", "pytest", "tests/interop", "-rs", "-p", "no:cacheprovider"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 30
    # The real corpora and the real vocabulary are not on every machine.
    assert all(re.search("KERAS_NLP_ZOO_(DATA|VOCAB)", line) for line in re.findall("SKIPPED.*", done.stdout))
