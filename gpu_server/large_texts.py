"""Large texts, piece by piece: between two pieces, Python's lock can go to somebody else.

What any of these does at once with 50 MB would hold up the event loop for a tenth of a second,
whichever thread it is done in. `in_pieces` runs those that yield.
"""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from gpu_server.heavy import LARGE

T = TypeVar("T")
Pieces = Generator[None, None, T]
"""Work that yields after each piece, and returns what it is for."""

PIECE = 256 * 1024
"""Characters or bytes."""
WHITE_SPACE = "\n\r\t "


def joined(pieces: Iterable[bytes]) -> Pieces[bytes]:
    """What `b"".join` makes, which copies all of it at once."""
    whole, written = io.BytesIO(), 0
    for piece in pieces:
        written += whole.write(piece)
        if written >= PIECE:
            yield
            written = 0
    return whole.getvalue()


def from_base64(text: str, begin: int = 0) -> Pieces[bytes]:
    """The bytes of a text, from `begin` on; white space is passed over. Raises ValueError."""
    data, rest = io.BytesIO(), ""
    for at in range(begin, len(text), PIECE):
        piece = text[at : at + PIECE]
        if any(each in piece for each in WHITE_SPACE):
            piece = "".join(piece.split())
        piece = rest + piece
        whole = len(piece) - len(piece) % 4
        data.write(_piece(piece[:whole], last=at + PIECE >= len(text)))
        rest = piece[whole:]
        yield
    data.write(base64.b64decode(rest, validate=True))
    return data.getvalue()


def _piece(text: str, *, last: bool) -> bytes:
    """Only the last one may be padded."""
    if not last and text.endswith("="):
        raise ValueError("padded in the middle")
    return base64.b64decode(text, validate=True)


def replaced(value: Any, instead: Callable[[str], str]) -> Any:
    """A JSON document with something else instead of each large text."""
    if isinstance(value, str):
        return value if len(value) <= LARGE else instead(value)
    if isinstance(value, list):
        return [replaced(each, instead) for each in value]
    if isinstance(value, dict):
        return {name: replaced(each, instead) for name, each in value.items()}
    return value


def fingerprint(value: Any) -> str:
    """The same for the same JSON document: a SHA-256, in which large texts are by their own."""
    short = replaced(value, lambda text: f"sha256:{_digest(text)}")
    return _digest(json.dumps(short, sort_keys=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def json_length(value: Any) -> int:
    """Characters of a document as JSON; of large texts, those before any is escaped.

    Raises TypeError, ValueError and RecursionError for what is none.
    """
    lengths = []

    def left_out(text: str) -> str:
        lengths.append(len(text))
        return ""

    light = json.dumps(replaced(value, left_out), allow_nan=False)
    return len(light) + sum(lengths)
