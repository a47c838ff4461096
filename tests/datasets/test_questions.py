import json

import keras_nlp_zoo as knz
from tests.conftest import real_corpora


def test_paragraphs_are_split(small_corpus):
    def paragraph(i):
        qas = [
            {"id": f"{i} {j}", "question": f"q{j}", "answers": [{"text": f"c{i}", "answer_start": 2}]} for j in (1, 2)
        ]
        return {"context": f"a c{i}", "qas": qas}

    data = {"data": [{"paragraphs": [paragraph(i), paragraph(i + 1)]} for i in range(0, 40, 2)]}
    small_corpus("xquad", {"xquad.en.json": json.dumps(data).encode()})
    train, test = (knz.datasets.load("xquad", split=split) for split in ("train", "test"))
    assert len(train[0]["context"]) == 2 * 36
    assert len(test[0]["context"]) == 2 * 4
    contexts = [{*x["context"]} for x, _ in (train, test)]
    assert not contexts[0] & contexts[1]
    assert contexts[0] | contexts[1] == {f"a c{i}" for i in range(40)}
    for x, y in (train, test):
        assert x["question"] == ["q1", "q2"] * (len(x["question"]) // 2)
        assert [f"a {answer}" for answer in y["answer"]] == x["context"]
        assert set(y["answer_start"]) == {2}
    assert knz.datasets.load("xquad", split="test") == test


def test_real_questions():
    real_corpora()
    found = {}
    for split in ("train", "test"):
        x, y = knz.datasets.load("xquad", split=split)
        assert len({len(values) for values in (*x.values(), *y.values())}) == 1
        for context, answer, start in zip(x["context"], y["answer"], y["answer_start"], strict=True):
            assert answer
            assert context[start : start + len(answer)] == answer
        found[split] = {*x["context"]}, len(x["question"])
    assert not found["train"][0] & found["test"][0]
    assert (len(found["train"][0]), len(found["test"][0])) == (216, 24)
    assert (found["train"][1], found["test"][1]) == (1073, 117)
