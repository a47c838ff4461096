import sys

import grain
import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.text.sources import is_dataset, is_endless, iterate


@pytest.fixture
def tsv(tmp_path, reviews):
    texts, labels = reviews
    lines = [f"{label}\t{text}\n" for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "1.tsv").write_text("".join(lines[:40]), encoding="utf-8")
    (tmp_path / "2.tsv").write_text("".join(lines[40:]).rstrip("\n"), encoding="utf-8")
    return [tmp_path / "1.tsv", tmp_path / "2.tsv"]


def test_text_files(tsv, reviews):
    files = knz.text.TextFiles(tsv, batch_size=16)
    assert len(files) == 3 + 2
    found = [files[i] for i in range(len(files))]
    assert [text for texts, _ in found for text in texts] == reviews[0] == list(files.texts())
    assert [label for _, labels in found for label in labels] == reviews[1]
    assert files[4] == (reviews[0][56:], reviews[1][56:])  # any batch, in any order


def test_text_files_of_texts_alone(tmp_path):
    (tmp_path / "a.txt").write_bytes("first\r\n두 번째\nbad \xff byte".encode("latin-1", "replace") + b"\n\n")
    batches = [batch for batch, *rest in iterate(knz.text.TextFiles(tmp_path / "a.txt", columns=("text",)))]
    assert batches[0][0] == "first"
    assert len(batches[0]) == 4


def test_bad_text_files(tsv, tmp_path):
    with pytest.raises(ValueError, match="`paths` names a file that does not exist"):
        knz.text.TextFiles(tmp_path / "nowhere.tsv")
    with pytest.raises(ValueError, match='`columns` must name a column "text"'):
        knz.text.TextFiles(tsv, columns=("label",))
    with pytest.raises(ValueError, match=r"1.tsv, line 1: expected 3 columns \(id, label, text\), found 2"):
        knz.text.TextFiles(tsv, columns=("id", "label", "text"))[0]


class Finite(keras.utils.PyDataset):
    def __init__(self, num_batches=3):
        super().__init__()
        self._num_batches = num_batches

    @property
    def num_batches(self):
        return self._num_batches

    def __getitem__(self, index):
        return ["a", "b"], [index, index]


def test_what_is_a_dataset():
    source = grain.MapDataset.source(["a", "b"]).batch(2)
    for data in (Finite(), source, source.to_iter_dataset(), (x for x in ())):
        assert is_dataset(data)
    for data in (["a"], ("a", "b"), np.array(["a"]), {"token_ids": [1]}, None, "a", keras.ops.ones(2)):
        assert not is_dataset(data)


def test_what_is_endless():
    source = grain.MapDataset.source(["a", "b"]).batch(2)
    assert is_endless(Finite(None), None)
    assert is_endless(source.repeat(), None)
    assert not is_endless(Finite(), 5)
    assert not is_endless(source, 5)
    generator = (x for x in ())
    assert is_endless(generator, 5)
    assert not is_endless(generator, None)
    assert len(source.repeat()) == sys.maxsize  # what grain is relied on for


def test_batches_of_every_source():
    assert [y for _, y, _ in iterate(Finite())] == [[0, 0], [1, 1], [2, 2]]
    assert list(iterate(iter([["a", "b"]]))) == [(["a", "b"], None, None)]
    assert list(iterate(iter([[["a", "b"], [1, 2]]]))) == [(["a", "b"], [1, 2], None)]  # as a DataLoader gives them
    with pytest.raises(ValueError, match="`x` must yield batches of texts, not single texts"):
        list(iterate(iter(["a", "b"])))
    with pytest.raises(ValueError, match="`x` must yield batches of texts, not single texts"):
        list(iterate(iter([("a", 1)])))
