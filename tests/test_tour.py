"""The tour, each step as a person runs it and as it stands, on all three backends: `tox -e examples -- -m tour`."""

import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.tour
TOUR = pathlib.Path(__file__).parent.parent / "examples" / "tour"
# What the article prints.
SHAPES = {
    "01_dnn": ["(5, 2)"],
    "02_cnn": ["(32, 128, 48)"],
    "03_rnn": ["(32, 20, 64)", "(1, 32, 64)"],
    "04_lstm": ["(32, 20, 128)", "(1, 32, 128)"],
    "05_gru": ["(16, 30, 128)", "(1, 16, 128)"],
    "06_seq2seq": ["(32, 12, 256)"],
    "07_attention": ["(2, 4)"],
    "08_transformer": ["(20, 32, 512)"],
    "09_bert": ["(1, 8, 768)"],
    "10_gpt2": ["Artificial Intelligence is"],
}


def test_ten_steps_of_at_most_forty_lines():
    assert sorted(path.stem for path in TOUR.glob("*.py")) == sorted(SHAPES)
    for path in TOUR.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path.name


@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
@pytest.mark.parametrize("name", SHAPES)
def test_step(name, backend, tmp_path):
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(TOUR.parent.parent),
        # Optimised, as a reader has it, which tox leaves out; without the emitters, which compile for longer.
        "XLA_FLAGS": "--xla_cpu_use_fusion_emitters=false",
    }
    done = subprocess.run(
        [sys.executable, str(TOUR / f"{name}.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for shape in SHAPES[name]:
        assert shape in done.stdout.split("->", 1)[1]
