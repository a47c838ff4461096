import hashlib
import http.server
import os
import pathlib
import threading
from typing import ClassVar

import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.datasets.corpus import File, fetch
from tests.conftest import real_corpora

CONTENT = b"1 a fine film\n0 a dull film\n" * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one file; `behaviour` says what goes wrong, request by request."""

    behaviour: ClassVar[list[str]] = []

    def do_GET(self):
        how = self.behaviour.pop(0) if self.behaviour else "whole"
        if how == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if how == "broken" else CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on this machine, and a Keras cache of the test's own."""
    monkeypatch.delenv("KERAS_NLP_ZOO_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    Handler.behaviour = []
    httpd = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/corpus.txt", tmp_path / "home"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def file(address, content=CONTENT):
    return File("corpus.txt", address, hashlib.sha256(content).hexdigest())


def files_under(folder):
    return [name for _, _, names in os.walk(folder) for name in names]


def test_download_is_cached(server):
    address, home = server
    path = fetch("made_up", file(address))
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert os.path.relpath(path, home) == os.path.join("datasets", "keras_nlp_zoo", "made_up", "corpus.txt")
    Handler.behaviour = ["missing"] * 5
    assert fetch("made_up", file(address)) == path


def test_a_broken_download_starts_again(server):
    address, _ = server
    Handler.behaviour = ["broken"]
    assert pathlib.Path(fetch("made_up", file(address))).read_bytes() == CONTENT


def test_a_wrong_file_is_an_error_and_is_not_kept(server):
    address, home = server
    with pytest.raises(ValueError, match="does not hold the expected file of 'made_up'"):
        fetch("made_up", file(address, b"something else"))
    assert files_under(home) == []


def test_no_network_says_how_to_work_offline(server):
    address, home = server
    Handler.behaviour = ["missing"] * 5
    with pytest.raises(ConnectionError, match=r"Offline, put it into <folder>/made_up/ and set KERAS_NLP_ZOO_DATA"):
        fetch("made_up", file(address))
    assert files_under(home) == []


def test_a_stale_cached_file_is_replaced(server):
    address, home = server
    path = home / "datasets" / "keras_nlp_zoo" / "made_up" / "corpus.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"stale")
    assert pathlib.Path(fetch("made_up", file(address))).read_bytes() == CONTENT


def test_the_folder_of_ones_own_comes_first(server, tmp_path, monkeypatch):
    address, home = server
    folder = tmp_path / "data" / "made_up"
    folder.mkdir(parents=True)
    (folder / "corpus.txt").write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_NLP_ZOO_DATA", str(tmp_path / "data"))
    Handler.behaviour = ["missing"] * 5
    assert fetch("made_up", file(address)) == str(folder / "corpus.txt")
    (folder / "corpus.txt").write_bytes(b"changed")
    with pytest.raises(ValueError, match="is not the file expected there"):
        fetch("made_up", file(address))
    assert (folder / "corpus.txt").read_bytes() == b"changed"  # not ours to remove
    assert files_under(home) == []


def test_every_corpus_says_where_it_is_from():
    assert set(knz.datasets.list()) >= {
        "mr",
        "trec",
        "sst2",
        "multi30k",
        "korean_chatbot",
        "gum_ner",
        "xquad",
        "reviews",
        "dates",
        "reversal",
        "entities",
        "facts",
    }
    for name in knz.datasets.list():
        corpus = knz.datasets.info(name)
        assert corpus.name == name
        for fact in (corpus.licence, corpus.citation, corpus.description, corpus.splits):
            assert fact
        for one in corpus.files:
            assert one.address.startswith("https://")
            assert len(one.sha256) == 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rewiews", "train"), "There is no corpus 'rewiews'. Did you mean 'reviews'?"),
        (("reviews", "tset"), "There is no split of 'reviews' 'tset'. Did you mean 'test'?"),
    ],
)
def test_bad_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        knz.datasets.load(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sise": 3}, "There is no option of 'reviews' 'sise'. Did you mean 'size'?"),
        ({"size": 0}, "`size` must be an int of at least 1"),
        ({"distance": -1}, "`distance` must be an int of at least 0"),
        ({"language": "kr"}, "There is no language 'kr'. Did you mean 'ko'?"),
        ({"kind": "contrasts"}, "There is no kind of review 'contrasts'. Did you mean 'contrast'?"),
    ],
)
def test_bad_options_of_reviews(options, message):
    with pytest.raises(ValueError, match=message):
        knz.datasets.load("reviews", **options)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_reviews_are_deterministic_balanced_and_apart(language):
    def load(**options):
        return knz.datasets.load("reviews", language=language, **options)

    texts, labels = load(size=3000)
    assert load(size=3000) == (texts, labels)
    assert load(size=10) == (texts[:10], labels[:10])
    assert load(size=10, seed=1)[0] != texts[:10]
    assert set(labels) == {"negative", "positive"}
    assert abs(labels.count("positive") / 3000 - 0.5) < 0.03
    others = {text for split in ("validation", "test") for text in load(size=1000, split=split)[0]}
    assert not others & set(texts)
    assert len(set(texts)) > 1500


def sentiment(text):
    """A reader of English reviews written from the description of the corpus, not from its code."""
    words = text.replace(" .", "").replace(" !", "").removeprefix("in short , ")
    good = "wonderful moving brilliant charming gripping clever delightful superb memorable elegant fresh inspired"
    good = [*good.split(), "tender", "thrilling"]

    def clause(part):
        positive = any(word in good for word in part.split())
        return positive != any(word in part.split() for word in ("not", "never", "anything"))

    for mark in (" , but ", " ; still , "):
        if mark in words:
            return clause(words.split(mark)[1])
    if " , although " in words:
        return clause(words.split(" , although ")[0])
    if "although " in words:
        return clause(words.split("although ")[1].split(" , ")[1])
    return clause(words)


def test_reviews_mean_what_their_labels_say():
    for kind in (None, "plain", "negation", "contrast"):
        texts, labels = knz.datasets.load("reviews", size=500, kind=kind)
        for text, label in zip(texts, labels, strict=True):
            assert (label == "positive") == sentiment(text), text


@pytest.mark.parametrize("language", ["en", "ko"])
def test_contrasts_defeat_a_bag_of_words(language):
    """No word says more than a little of the label, so a sum of words cannot classify contrasts."""
    texts, labels = knz.datasets.load("reviews", size=6000, kind="contrast", language=language)
    positive = np.array(labels) == "positive"
    bags = [set(text.split()) for text in texts]
    for word in set().union(*bags):
        has = np.array([word in bag for bag in bags])
        if has.sum() > 100:
            # Four standard deviations of a fair coin.
            assert abs(positive[has].mean() - 0.5) < 2 / np.sqrt(has.sum()), word


@pytest.mark.parametrize("language", ["en", "ko"])
def test_distance_is_in_words(language):
    near = knz.datasets.load("reviews", size=200, language=language)[0]
    far = knz.datasets.load("reviews", size=200, language=language, distance=25)[0]
    words = {word for text in near for word in text.split()}
    opinions = words - {word for text in far for word in text.split()[-25:]}
    for text in far:
        tail = text.split()[-25:]
        assert len(tail) == 25
        assert not set(tail) & opinions
    assert np.mean([len(t.split()) for t in far]) == pytest.approx(np.mean([len(t.split()) for t in near]) + 25, abs=1)


SIZES = {
    "mr": {"train": 9595, "test": 1067},
    "trec": {"train": 5452, "test": 500},
    "sst2": {"train": 6920, "validation": 872, "test": 1821},
}


@pytest.mark.parametrize("name", SIZES)
def test_real_corpora(name):
    real_corpora()
    corpus = knz.datasets.info(name)
    found = {}
    for split in corpus.splits:
        texts, labels = knz.datasets.load(name, split=split)
        assert len(texts) == len(labels)
        assert set(labels) == set(corpus.labels)
        assert all(text.strip() == text and text for text in texts)
        found[split] = len(texts)
    assert found == SIZES[name]


def test_folds_of_mr():
    real_corpora()
    tests = [knz.datasets.load("mr", split="test", fold=fold)[0] for fold in range(10)]
    assert sum(map(len, tests)) == 10_662
    train = knz.datasets.load("mr", split="train", fold=3)[0]
    assert len(train) + len(tests[3]) == 10_662
    with pytest.raises(ValueError, match="`fold` must be an int from 0 to 9"):
        knz.datasets.load("mr", fold=10)
