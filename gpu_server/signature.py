"""Whether a request is from a backend that has our GPU_SERVICE_SECRET."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable

from gpu_server.errors import SignatureExpired, SignatureInvalid, SignatureMissing

VERSION = "v1="
TOLERANCE_SECONDS = 300.0
LARGE = 1024 * 1024
"""Bytes, whose hash is made in a thread."""
SET = "Set the same GPU_SERVICE_SECRET in backend/.env and gpu_server/.env."


class SignatureCheck:
    """HMAC-SHA256 over the method, the path with its query, the time, and the body's hash.

    A request that is repeated within the tolerance does no more than it did: jobs go by their ids.
    An empty secret lets everybody in.
    """

    def __init__(self, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret.encode()
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether there is a secret."""
        return bool(self._secret)

    async def check(
        self, method: str, target: str, body: bytes, timestamp: str | None, signature: str | None
    ) -> None:
        """Raises SignatureMissing, SignatureExpired, SignatureInvalid."""
        if not timestamp or not signature:
            raise SignatureMissing(f"This GPU service takes signed requests only. {SET}")
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            raise SignatureInvalid("X-Gateway-Timestamp is no time in seconds.")
        skew = int(timestamp) - self._clock()
        if abs(skew) > TOLERANCE_SECONDS:
            raise SignatureExpired(
                f"The request was signed {abs(skew):.0f} s {'ahead of' if skew > 0 else 'before'} "
                "our time. Set the clocks of both machines."
            )
        digest = await _digest(body)
        message = "\n".join([method, target, timestamp, digest])
        made = hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest((VERSION + made).encode(), signature.encode()):
            raise SignatureInvalid(f"The request is signed with another secret. {SET}")


async def _digest(body: bytes) -> str:
    if len(body) > LARGE:
        return await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
    return hashlib.sha256(body).hexdigest()
