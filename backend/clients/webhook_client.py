"""Messages to webhooks, signed as Standard Webhooks has it."""

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import anyio
import httpx
from standardwebhooks.webhooks import Webhook as Signer

from backend.errors import UrlRefused

SECONDS = 10.0
"""For one message as a whole."""
USER_AGENT = "comfyui-gateway-webhooks/1"


@dataclass(frozen=True)
class Heard:
    """What came back: `error` is None where the message has arrived."""

    status: int | None = None
    error: str | None = None
    retry_after: float = 0.0
    """Seconds that the receiver wants to be left alone."""


class WebhookClient:
    """`http` must be an outward client: it follows no redirect, and calls nobody inside."""

    def __init__(self, http: httpx.AsyncClient, secret: str, seconds: float = SECONDS) -> None:
        self._http = http
        self._signer = Signer(secret)
        self._seconds = seconds

    async def send(self, message_id: str, url: str, payload: str) -> Heard:
        """One try. Never raises."""
        now = datetime.now(timezone.utc)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message_id, now, payload),
        }
        try:
            with anyio.fail_after(self._seconds):
                # Only its head is read: what else it says is of no use.
                async with self._http.stream(
                    "POST", url, content=payload.encode(), headers=headers
                ) as reply:
                    return _heard(reply)
        except TimeoutError:
            return Heard(error=f"No answer within {self._seconds:g} s.")
        except UrlRefused:
            return Heard(error="The address is no public one (OUTBOUND_ALLOW).")
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            return Heard(error=f"The receiver cannot be reached ({type(exc).__name__}).")


def _heard(reply: httpx.Response) -> Heard:
    if reply.is_success:
        return Heard(reply.status_code)
    waits = _seconds(reply.headers.get("Retry-After", ""))
    moved = " Redirects are not followed." if reply.is_redirect else ""
    return Heard(reply.status_code, f"The receiver answered {reply.status_code}.{moved}", waits)


def _seconds(asked: str) -> float:
    """Retry-After: so many seconds, or a date (RFC 9110); 0 where it is neither."""
    if asked.isascii() and asked.isdigit() and len(asked) < 9:
        return float(asked)
    try:
        at = parsedate_to_datetime(asked).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, at - time.time())
