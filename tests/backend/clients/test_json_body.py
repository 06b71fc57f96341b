"""JSON bodies in pieces."""

import hashlib
import json
from typing import Any

import pytest

from backend.clients.json_body import SENT_AT_ONCE, JSONBody, json_object


async def sent(body: JSONBody) -> list[bytes]:
    return [piece async for piece in body]


@pytest.mark.parametrize("values", [{}, {"a": 1}, {"a": "ü", "b": None}])
@pytest.mark.parametrize("encoded", [{}, {"c": [b"[1,", b"2]"]}, {"c": [b"1"], 'd"': [b'"x"']}])
def test_object_has_both(values: dict[str, Any], encoded: dict[str, list[bytes]]) -> None:
    wanted = {**values, **{name: json.loads(b"".join(each)) for name, each in encoded.items()}}
    assert json.loads(b"".join(json_object(values, encoded))) == wanted


async def test_large_pieces_are_sent_bit_by_bit() -> None:
    large = bytes(range(256)) * (3 * SENT_AT_ONCE // 256) + b"end"
    body = JSONBody([b"[", large, b"]"])
    assert len(body) == len(large) + 2
    assert await body.sha256() == hashlib.sha256(b"[" + large + b"]").hexdigest()
    pieces = await sent(body)
    assert b"".join(pieces) == b"[" + large + b"]"
    assert max(map(len, pieces)) == SENT_AT_ONCE


async def test_what_has_been_sent_is_kept_no_longer() -> None:
    body = JSONBody([b"x" * 10])
    assert await sent(body) == [b"x" * 10]
    assert await sent(body) == []
    assert len(body) == 10
