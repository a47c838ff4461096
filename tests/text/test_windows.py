import itertools

import pytest

from keras_nlp_zoo.text.windows import windows


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 13, 40])
@pytest.mark.parametrize("overlap", [0, 1, 3, 7])
def test_every_item_belongs_to_exactly_one_window_that_reads_it(length, overlap):
    found = windows(length, 8, overlap)
    owned = [i for window in found for i in range(window.first, window.last)]
    assert owned == list(range(length))
    for window in found:
        assert window.start <= window.first <= window.last <= window.stop <= max(length, 0)
        assert window.stop - window.start <= 8
    # No item at a seam stands closer to the edge of its window than half of the overlap.
    for left, right in itertools.pairwise(found):
        assert left.stop - right.start >= overlap
        assert abs((left.stop - left.last) - (right.first - right.start)) <= 1


def test_a_text_that_fits_is_one_window():
    assert windows(5, 8, 2) == [(0, 5, 0, 5)]


@pytest.mark.parametrize("overlap", [-1, 8, 9])
def test_an_overlap_that_leaves_no_step(overlap):
    with pytest.raises(ValueError, match="`overlap`"):
        windows(20, 8, overlap)
