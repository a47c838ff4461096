"""The examples run as a person runs them, in a process of their own, on all three backends: `tox -e examples`."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import keras_nlp_zoo as knz

pytestmark = pytest.mark.examples
ROOT = pathlib.Path(__file__).parent.parent
# All but claims.py, which takes minutes by nature, and what it imports.
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("claims"))
# Two minutes on two cores, and five for the README's first command, which trains five architectures. `tox -e examples`
# runs two tests at once, of one thread each.
SHARE = 2 if os.environ.get("OMP_NUM_THREADS") == "1" else 1
SECONDS = {script: SHARE * (300 if script == "quickstart.py" else 120) for script in SCRIPTS}


@pytest.fixture(params=["jax", "tensorflow", "torch"], autouse=True)
def backend(request, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", request.param)
    return request.param


def run(script, *arguments, cwd, timeout=None):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_as_it_stands(script, tmp_path, monkeypatch):
    """Without arguments, corpora or a network."""
    monkeypatch.delenv("KERAS_NLP_ZOO_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    assert run(script, cwd=tmp_path, timeout=SECONDS[script])


def test_quickstart(tmp_path):
    out = run(
        "quickstart.py", "the plot was dull", "--models", "dnn", "cnn", "--size", 300, "--epochs", 1, cwd=tmp_path
    )
    table = [line.split() for line in out.splitlines() if line.startswith(("dnn ", "cnn "))]
    assert [row[0] for row in table] == ["dnn", "cnn"]
    assert [len(row) for row in table] == [7, 7]
    assert "the plot was dull" in out
    best = knz.TextClassifier.from_preset(tmp_path / "quickstart_output" / "best")
    assert best.classify("the plot was dull")["label"] in best.labels
    assert (tmp_path / "quickstart_output" / "learning_curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("language", ["en", "ko"])
def test_classify_sentiment(language, tmp_path):
    arguments = ["--model", "dnn", "--dataset", "reviews", "--language", language, "--epochs", 1, "--save", "preset"]
    out = run("classify_sentiment.py", *arguments, "--sentences", "연기는 훌륭했다", cwd=tmp_path)
    assert "test accuracy" in out
    assert "연기는 훌륭했다" in out
    assert knz.TextClassifier.from_preset(tmp_path / "preset").labels == ["negative", "positive"]


def test_translate(tmp_path):
    arguments = ["k e r a s", "--model", "transformer", "--dataset", "reversal", "--size", 256, "--epochs", 1]
    out = run("translate.py", *arguments, cwd=tmp_path)
    assert "test exact match" in out
    assert "k e r a s -> " in out
    assert isinstance(knz.Seq2SeqLM.from_preset(tmp_path / "translate_output" / "model"), knz.Seq2SeqLM)
    assert (tmp_path / "translate_output" / "attention.png").stat().st_size > 5_000


def test_chat_korean(tmp_path):
    pairs = [f"{number}번 집에 누가 살아?\t{number}번 집에는 고양이가 살아." for number in range(60)]
    (tmp_path / "corpus.tsv").write_text("\n".join(pairs), encoding="utf-8")
    arguments = ["--corpus", "corpus.tsv", "--epochs", 1, "--beams", 2, "--save", "preset"]
    out = run("chat_korean.py", "3번 집에 누가 살아?", *arguments, cwd=tmp_path)
    assert "test perplexity" in out
    assert "3번 집에 누가 살아? -> " in out
    assert isinstance(knz.Seq2SeqLM.from_preset(tmp_path / "preset"), knz.Seq2SeqLM)


def test_claims(tmp_path):
    out = run("claims.py", "gates", "--quick", "--seeds", 1, "--output", "pictures", cwd=tmp_path)
    assert re.search(r"^gates +(Held|Held in part|Did not hold): the GRU trains \d", out, re.MULTILINE)
    assert 5_000 < (tmp_path / "pictures" / "gates.png").stat().st_size < 150_000


def test_tag_entities(tmp_path):
    arguments = ["--language", "ko", "--units", "token", "--crf", "--size", 150, "--epochs", 1, "--save", "preset"]
    out = run("tag_entities.py", "김민수는 서울에서 태어났다.", *arguments, cwd=tmp_path)
    assert "test span F1" in out
    assert "서울" in re.sub(r"\[| \w+\]", "", out)  # the sentence, whatever is marked in it after one epoch
    assert knz.TokenClassifier.from_preset(tmp_path / "preset").crf


def test_answer_questions(tmp_path):
    out = run("answer_questions.py", "--size", 60, "--epochs", 1, "--save", "preset", cwd=tmp_path)
    assert "test exact match" in out
    (tmp_path / "letter.txt").write_text("Ada lives in Lima. " * 60, encoding="utf-8")
    asked = ["--preset", "preset", "--ask", "Where does Ada live?", "--context", "letter.txt"]
    assert "Where does Ada live?" in run("answer_questions.py", *asked, cwd=tmp_path)


def test_fine_tune_bert(tmp_path):
    out = run("fine_tune_bert.py", "--size", 100, "--epochs", 1, "--freeze", 1, "--save", "preset", cwd=tmp_path)
    assert "test accuracy" in out
    out = run("fine_tune_bert.py", "--size", 64, "--epochs", 1, "--preset", "preset", "--lora", 2, cwd=tmp_path)
    assert "test accuracy" in out


def test_generate_text(tmp_path):
    (tmp_path / "corpus.txt").write_text("the cat sat\nthe dog ran home\n" * 30, encoding="utf-8")
    arguments = ["--model", "gru", "--corpus", "corpus.txt", "--epochs", 1, "--max-length", 9, "--save", "preset"]
    out = run("generate_text.py", "the cat", *arguments, cwd=tmp_path)
    assert "perplexity" in out
    assert re.search(r"^the cat", out, re.MULTILINE)
    out = run("generate_text.py", "the dog", "--model", "gru", "--preset", "preset", "--sampler", "beam", cwd=tmp_path)
    assert re.search(r"^the dog", out, re.MULTILINE)


def test_train_char_gpt(tmp_path):
    (tmp_path / "corpus.txt").write_text("to be or not to be\n" * 200, encoding="utf-8")
    out = run("train_char_gpt.py", "to be", "--corpus", "corpus.txt", "--steps", 30, "--save", "preset", cwd=tmp_path)
    assert 0 < float(re.search(r"validation loss (\d\.\d+)", out)[1]) < 3
    assert isinstance(knz.CausalLM.from_preset(tmp_path / "preset"), knz.CausalLM)


def test_switch_backends(backend, tmp_path):
    out = run("switch_backends.py", "--model", "dnn", "--size", 100, "--epochs", 1, "--output", "preset", cwd=tmp_path)
    table = [line.split() for line in out.splitlines() if line.startswith(("jax ", "tensorflow ", "torch "))]
    assert table[0][0] == backend
    assert sorted(row[0] for row in table) == ["jax", "tensorflow", "torch"]
    assert all(row[1] == table[0][1] for row in table)
    assert all(float(row[2]) < 1e-5 for row in table)
