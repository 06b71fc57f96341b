"""Large texts, worked on in pieces: the same as if they were whole."""

import base64
import hashlib
import json
import random
from collections.abc import Generator
from typing import Any, TypeVar

import pytest

from backend import large_texts
from backend.heavy import LARGE
from backend.large_texts import (
    as_json,
    base64_size,
    fingerprint,
    from_base64,
    joined,
    json_length,
    to_base64,
)

T = TypeVar("T")


def whole(work: Generator[None, None, T]) -> T:
    """What it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_texts, "PIECE", 16)
    monkeypatch.setattr(large_texts, "BASE64_PIECE", 12)


@pytest.mark.parametrize("size", [*range(40), 1000])
def test_base64_is_what_it_is_otherwise(size: int) -> None:
    data = random.Random(size).randbytes(size)
    text = whole(to_base64(data))
    assert text == base64.b64encode(data).decode()
    assert whole(base64_size(text)) == size
    assert from_base64(text) == data


ODD = ["", "", "", "=", "==", "= =", "A=", "*", "é", "\n", " \r\n", "\x0c", "-"]


def size_as_python_has_it(text: str) -> int | None:
    compact = "".join(text.split())
    try:
        data = base64.b64decode(compact, validate=True)
    except ValueError:
        return None
    # Older Pythons take too much padding.
    return len(data) if len(base64.b64encode(data)) == len(compact) else None


def size_of(text: str) -> int | None:
    try:
        return whole(base64_size(text))
    except ValueError:
        return None


def test_what_is_no_base64_is_refused_as_it_is_otherwise() -> None:
    draw = random.Random(1)
    taken = 0
    for _ in range(20_000):
        length = draw.randrange(70)
        odd = draw.choice(ODD)
        text = "".join(draw.choices("AZaz09+/", k=length))
        at = length if draw.random() < 0.7 else draw.randrange(length + 1)
        text = text[:at] + odd + text[at:]
        wanted = size_as_python_has_it(text)
        taken += wanted is not None
        assert size_of(text) == wanted, text
    assert taken > 2000


@pytest.mark.parametrize("begin", [0, 1, 22, 40])
def test_base64_begins_where_it_is_said_to(begin: int) -> None:
    assert whole(base64_size("*" * begin + base64.b64encode(b"x" * 50).decode(), begin)) == 50


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain " * 20,
        'all "sorts"\\ of\n\x00 \u2028 \U0001f600 things' * 9,
        ["a" * 100, "", ["b" * 100], 7, None, {"c": "d"}],
        [],
        {"e": 1.5},
    ],
    ids=str,
)
def test_json_is_what_it_is_otherwise(value: Any) -> None:
    assert json.loads(whole(as_json(value))) == value


def test_pieces_are_joined() -> None:
    pieces = [bytes([number]) * number for number in range(50)]
    assert whole(joined(pieces)) == b"".join(pieces)


def test_many_small_pieces_are_joined_in_few_steps() -> None:
    assert sum(1 for _ in joined(b"x" for _ in range(1600))) == 100


def test_large_texts_are_told_apart_by_their_digest() -> None:
    first, second = "a" * LARGE + "b", "a" * LARGE + "c"
    assert fingerprint([first]) != fingerprint([second])
    assert fingerprint({"a": 1, "x": [first, 7]}) == fingerprint({"x": [first, 7], "a": 1})
    assert fingerprint({"x": [first, {"y": second}]}) != fingerprint({"x": [first, {"y": first}]})


def test_fingerprint_of_what_is_small_is_that_of_its_json() -> None:
    """Those that were kept before large texts had their own stay good."""
    value = {"b": ["small", 7, None], "a": "ü"}
    wanted = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    assert fingerprint(value) == wanted


@pytest.mark.parametrize("value", ["a" * 3 * LARGE, {"b": ["c" * 2 * LARGE, "d", 1.5]}, [None]])
def test_length_as_json(value: Any) -> None:
    assert abs(json_length(value) - len(json.dumps(value))) <= 2


@pytest.mark.parametrize("value", [float("nan"), ["a" * 2 * LARGE, float("inf")]])
def test_what_is_no_json_has_no_length(value: Any) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        json_length(value)
