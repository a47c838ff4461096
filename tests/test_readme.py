"""Every Python block of the README runs, in order."""

import pathlib
import re

import keras
import pytest

README = pathlib.Path(__file__).parent.parent / "README.md"


@pytest.mark.skipif(
    keras.backend.backend() != "torch",
    reason="every backend runs what is shown in other tests; where all of it is compiled, it takes a minute more",
)
def test_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 4
    namespace: dict = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"README.md, block {number + 1}", "exec"), namespace)


def test_exactly_two_commands():
    text = README.read_text(encoding="utf-8")
    commands = re.search(r"## Two commands\n(.*?)\n## ", text, re.DOTALL).group(1)
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", commands, re.DOTALL) for line in block.strip().split("\n")
    ]
    assert len(lines) == 2
