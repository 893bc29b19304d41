import pytest

from uniSMP.explore.methods import SHARE, WHOLE, Summary


@pytest.mark.parametrize(
    ("share", "pending", "rest"),
    [
        (WHOLE // 4, 5, 300),
        (WHOLE // 2, 5, 100),
        (WHOLE, 5, 5),
        (WHOLE, 0, 0),
        (0, 5, None),
        (3 * WHOLE // 4, 5, 33),
    ],
)
def test_rest_of_a_tree_is_estimated_from_the_share_done(
    share: int, pending: int, rest: int | None
) -> None:
    summary = Summary(executions=100, pending=pending, counts={SHARE: share})
    assert summary.estimate_rest() == rest
