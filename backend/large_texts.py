"""Large texts, piece by piece: between two pieces, Python's lock can go to somebody else.

What any of these does at once with 50 MB would hold up the event loop for a tenth of a second,
whichever thread it is done in. `in_pieces` runs those that yield.
"""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

from pydantic_core import to_json

from backend.heavy import LARGE

T = TypeVar("T")
Pieces = Generator[None, None, T]
"""Work that yields after each piece, and returns what it is for."""

PIECE = 256 * 1024
"""Characters or bytes."""
BASE64_PIECE = 3 * 64 * 1024
"""Bytes; a multiple of 3, so that no piece but the last one is padded."""
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def is_large(value: Any) -> bool:
    """Whether a value of a JSON document is a large text, or a list of texts that are together."""
    texts = value if isinstance(value, list) else [value]
    return sum(len(each) for each in texts if isinstance(each, str)) > LARGE


def joined(pieces: Iterable[bytes]) -> Pieces[bytes]:
    """What `b"".join` makes, which copies all of it at once."""
    whole, written = io.BytesIO(), 0
    for piece in pieces:
        written += whole.write(piece)
        if written >= PIECE:
            yield
            written = 0
    return whole.getvalue()


def as_json(value: Any) -> Pieces[bytes]:
    """The value as JSON. Only a text, or one in a list, may be large."""
    return joined(_json_pieces(value))


def _json_pieces(value: Any) -> Iterator[bytes]:
    if isinstance(value, str):
        yield b'"'
        for at in range(0, len(value), PIECE):
            yield to_json(value[at : at + PIECE])[1:-1]
        yield b'"'
    elif isinstance(value, list):
        yield b"["
        for number, each in enumerate(value):
            if number:
                yield b","
            yield from _json_pieces(each)
        yield b"]"
    else:
        yield to_json(value)


def to_base64(data: bytes) -> Pieces[str]:
    """What `base64.b64encode` makes, as text."""
    starts = range(0, len(data), BASE64_PIECE)
    text = yield from joined(base64.b64encode(data[at : at + BASE64_PIECE]) for at in starts)
    return text.decode("ascii")


def base64_size(text: str, begin: int = 0) -> Pieces[int]:
    """How many bytes the text is, from `begin` on; white space is passed over.

    Raises ValueError where it is no base64, or is not padded. It costs a third of decoding it.
    """
    characters, padding = 0, 0
    for at in range(begin, len(text), PIECE):
        piece = text[at : at + PIECE].encode("ascii")
        others = piece.translate(None, ALPHABET)
        rest = b"".join(others.split())
        if rest.strip(b"=") or (padding and len(others) < len(piece)):
            raise ValueError("not of base64's alphabet")
        if rest and piece.rstrip(b"= \t\n\r\v\f").count(b"="):
            raise ValueError("padded in the middle")
        characters += len(piece) - len(others)
        padding += len(rest)
        yield
    if characters % 4 == 1 or padding != -characters % 4:
        raise ValueError("incorrect padding")
    return characters * 3 // 4


def from_base64(text: str) -> bytes:
    """The bytes of what `base64_size` has looked at, or of its beginning."""
    compact = "".join(text.split())
    return base64.b64decode(compact[: len(compact) - len(compact) % 4])


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
