import dataclasses
import hashlib

import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo import datasets


@pytest.fixture
def small_corpus(monkeypatch, tmp_path):
    """Puts files of the test's own in the place of a corpus's, with their hashes."""
    monkeypatch.setenv("KERAS_NLP_ZOO_DATA", str(tmp_path))

    def replace(name, contents):
        corpus = knz.datasets.info(name)
        (tmp_path / name).mkdir()
        for file in corpus.files:
            (tmp_path / name / file.name).write_bytes(contents[file.name])
        files = tuple(f._replace(sha256=hashlib.sha256(contents[f.name]).hexdigest()) for f in corpus.files)
        monkeypatch.setitem(datasets._CORPORA, name, dataclasses.replace(corpus, files=files))

    return replace
