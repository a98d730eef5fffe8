"""The list of slow test files names files that exist."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.conftest import SLOWEST, TESTS


@pytest.mark.parametrize("name", SLOWEST)
def test_a_slow_file_of_the_list_exists(name: str) -> None:
    assert (TESTS / name).is_file()


def test_files_are_ordered_as_a_whole(request: pytest.FixtureRequest) -> None:
    files = [item.path for item in request.session.items]
    changes = sum(a != b for a, b in pairwise(files))
    assert changes == len(set(files)) - 1
