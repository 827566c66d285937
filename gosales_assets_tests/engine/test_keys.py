"""Keys: what the library says, whatever order they come in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosales_assets.engine.keys import changes, distinct, in_order

KEYS = st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 3)).map(lambda keys: np.array(keys, dtype=np.int64))


@given(KEYS)
def test_distinct_keys_are_those_of_numpy(keys):
    found, counts = distinct(keys)
    expected, expected_counts = np.unique(keys, return_counts=True)
    assert found.tolist() == expected.tolist()
    assert counts.tolist() == expected_counts.tolist()
    assert in_order(keys).tolist() == sorted(keys.tolist())


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], []), ([5], [True]), ([5, 5, 6, 5], [True, False, True, True])],
)
def test_the_first_of_equal_neighbours_is_a_change(values, expected):
    assert changes(np.array(values, dtype=np.int64)).tolist() == expected
