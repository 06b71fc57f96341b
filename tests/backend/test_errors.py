"""Everything that can go wrong in the backend."""

from collections.abc import Iterator

import pytest

from backend import errors


def below(kind: type[errors.BackendError]) -> Iterator[type[errors.BackendError]]:
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


@pytest.mark.parametrize("kind", list(below(errors.BackendError)), ids=lambda kind: kind.__name__)
def test_tree_shows_the_error(kind: type[errors.BackendError]) -> None:
    assert errors.__doc__ is not None
    [line] = [each for each in errors.__doc__.splitlines() if f" {kind.__name__} " in each]
    if "at start only" not in line and "own code" not in line:
        assert f"{kind.status} {kind.code}" in line
        assert ("retryable" in line) is kind.retryable


def test_extra_holds_what_is_known() -> None:
    error = errors.InvalidInput("no", parameter="steps", hint=None)
    assert (str(error), error.message, error.extra) == ("no", "no", {"parameter": "steps"})
