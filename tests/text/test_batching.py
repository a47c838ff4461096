import numpy as np
import pytest

from keras_nlp_zoo.text.batching import BucketedBatches, PairFile, PairRows, TokenFile, TokenRows, bucket_length

RANDOM = np.random.RandomState(0)
LISTS = [list(RANDOM.randint(5, 99, n)) for n in [0, 1, 8, 9, 120, *RANDOM.randint(1, 60, 200)]]
ROWS = TokenRows.from_lists(LISTS)


def pad(rows, indices, length):
    token_ids, padding_mask = rows.padded(indices, length, 0)
    return {"token_ids": token_ids, "padding_mask": padding_mask, "index": np.asarray(indices)}


def batches(**kwargs):
    return BucketedBatches(ROWS, pad, np.arange(len(ROWS)), **{"batch_size": 16, **kwargs})


def passes(data, number):
    n = data.batches_per_pass
    return [data[i] for i in range(number * n, (number + 1) * n)]


def test_bucket_lengths_are_few():
    found = {bucket_length(n) for n in range(1, 513)}
    assert sorted(found) == [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    for n in range(1, 513):
        bucket = bucket_length(n)
        assert bucket == min(other for other in found if other >= n)
    assert bucket_length(0) == 8
    assert bucket_length(50, 60) == 60
    assert bucket_length(3, 4) == 4


def test_rows_are_what_they_were():
    for i, row in enumerate(LISTS):
        length = max(len(row), 1) + 3
        ids, mask = ROWS.padded(np.array([i]), length, 7)
        assert ids[0].tolist() == row + [7] * (length - len(row))
        assert mask[0].tolist() == [1] * len(row) + [0] * (length - len(row))
        assert ids.dtype == mask.dtype == np.int32


def test_slices_and_truncation():
    part = ROWS[3:7]
    assert part.lengths.tolist() == [len(row) for row in LISTS[3:7]]
    assert part.padded(np.array([1]), 120, 0)[0][0].tolist() == LISTS[4]
    cut = ROWS.truncate(10)
    for i, row in enumerate(LISTS):
        assert cut.padded(np.array([i]), 10, 0)[0][0].tolist() == (row + [0] * 10)[:10]


def test_file_holds_the_same_rows():
    segments = [[1] * len(row) for row in LISTS[:50]]
    file = TokenFile()
    file.append(TokenRows.from_lists(LISTS[:50], segments))
    file.append(TokenRows.from_lists(LISTS[50:]))
    rows = file.finish()
    assert isinstance(rows.token_ids, np.memmap)
    np.testing.assert_array_equal(rows.token_ids, ROWS.token_ids)
    np.testing.assert_array_equal(rows.lengths, ROWS.lengths)
    assert rows.padded_segments(np.array([4, 60]), 130).sum(axis=1).tolist() == [len(LISTS[4]), 0]
    assert len(TokenFile().finish()) == 0


@pytest.mark.parametrize("seed", [None, 0, 7])
@pytest.mark.parametrize("batch_size", [1, 16, 64, 1000])
def test_every_row_once_in_a_pass(seed, batch_size):
    data = batches(seed=seed, batch_size=batch_size)
    for number in (0, 3):
        found = passes(data, number)
        assert sorted(np.concatenate([y for _, y in found])) == list(range(len(ROWS)))
        sizes = sorted(len(y) for _, y in found)
        assert all(size == batch_size for size in sizes[1:])
        for x, y in found:
            np.testing.assert_array_equal(x["index"], y)
            for ids, mask, i in zip(x["token_ids"], x["padding_mask"], y, strict=True):
                assert ids[mask == 1].tolist() == LISTS[i]


def test_little_padding():
    """Rows sit in their own bucket, but for fewer than one batch of each, which move up."""
    data = batches(seed=0, batch_size=16)
    lengths = [x["token_ids"].shape[1] for x, _ in passes(data, 0)]
    padded = sum(x["token_ids"].size for x, _ in passes(data, 0))
    own_bucket = sum(bucket_length(len(row)) for row in LISTS)
    assert own_bucket <= padded <= own_bucket + 15 * max(lengths)
    assert padded < 0.4 * len(ROWS) * 128
    assert len(set(lengths)) <= 8


def test_order_is_the_seeds_and_new_in_every_pass():
    def order(data, number):
        return np.concatenate([y for _, y in passes(data, number)]).tolist()

    one, same, other = batches(seed=1), batches(seed=1), batches(seed=2)
    assert order(one, 0) == order(same, 0)
    assert order(one, 2) == order(same, 2)
    assert order(one, 0) != order(one, 1)
    assert order(one, 0) != order(other, 0)
    # Asking out of turn, as a trainer does that samples the data first, changes nothing.
    _ = one[0], one[5 * one.batches_per_pass]
    assert order(one, 1) == order(same, 1)
    assert order(batches(seed=1, first_pass=2), 0) == order(one, 2)
    assert order(batches(), 0) == order(batches(), 1) == batches().order().tolist()


def test_batches_come_in_no_order_of_length():
    lengths = [x["token_ids"].shape[1] for x, _ in passes(batches(seed=0, batch_size=4), 0)]
    rising = np.mean(np.diff(lengths) >= 0)
    assert 0.3 < rising < 0.8


@pytest.mark.parametrize("seed", [None, 0, 1, 2, 3])
def test_first_two_batches_differ_in_length(seed):
    """Keras on TensorFlow fixes the shape of all batches to what the first two have in common."""
    x, y = (batches(seed=seed)[i][0]["token_ids"].shape[1] for i in (0, 1))
    assert x != y


def test_endless():
    assert batches(endless=True).num_batches is None
    assert batches().num_batches == batches().batches_per_pass == -(-len(ROWS) // 16)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", True])
def test_bad_batch_size(batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be an int of at least 1"):
        batches(batch_size=batch_size)


def pairs(target_of, longest=60):
    """Pairs of rows, the sources of every length up to the longest."""
    sources = [[5] * (1 + i % longest) for i in range(240)]
    targets = [[6] * (1 + target_of(len(source))) for source in sources]
    return PairRows(TokenRows.from_lists(sources), TokenRows.from_lists(targets), corpus=True)


def shapes(rows, seed):
    def pad(rows, indices, length):
        return {"sides": rows.side_lengths(length), "index": indices}

    data = BucketedBatches(rows, pad, batch_size=8, seed=seed)
    return [data[i][0] for i in range(data.batches_per_pass)]


TARGETS = {"short": lambda n: 3, "half": lambda n: -(-n // 2), "longer": lambda n: n + 9, "same": lambda n: n}
# Batches of 8 by 8, 16 by 8 and 16 by 24: of the second no other differs in both.
TARGETS["stairs"] = lambda n: 20 if n > 13 else 3


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("seed", range(5))
def test_pairs_have_one_shape_a_bucket_and_no_side_is_longer_than_need_be(name, seed):
    rows = pairs(TARGETS[name], 16 if name == "stairs" else 60)
    found = shapes(rows, seed)
    assert sorted(np.concatenate([batch["index"] for batch in found])) == list(range(240))
    for batch in found:
        source, target = batch["sides"]
        assert source >= rows.source.lengths[batch["index"]].max()
        assert target >= rows.target.lengths[batch["index"]].max() - 1
    distinct = {batch["sides"] for batch in found}
    assert len({max(sides) for sides in distinct}) == len(distinct)
    if name == "short":
        assert {target for _, target in distinct} == {8}
    # Of what is free on either side the first two batches tell Keras on TensorFlow.
    for side in (0, 1):
        if len({sides[side] for sides in distinct}) > 1:
            assert found[0]["sides"][side] != found[1]["sides"][side]


def test_pair_file_holds_the_same_rows():
    rows, file = pairs(lambda n: n + 1), PairFile()
    for start in (0, 100):
        file.append(rows[start : start + 100 if start == 0 else 240])
    again = file.finish()
    for one, other in ((rows.source, again.source), (rows.target, again.target)):
        np.testing.assert_array_equal(one.token_ids, other.token_ids)
        np.testing.assert_array_equal(one.lengths, other.lengths)
    assert again.lengths.tolist() == rows.lengths.tolist()
    assert rows[3:5].lengths.tolist() == rows.lengths[3:5].tolist()
