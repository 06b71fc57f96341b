"""Whom a client wants to be told, and what they know us by."""

import base64
import os
import secrets
from pathlib import Path

from backend.clients.guard import Guard
from backend.config import Settings, is_webhook_secret
from backend.errors import StorageUnavailable, WebhooksNotConfigured
from backend.schemas.request_generate import WebhookRequest
from backend.tasks import Webhook

FILE = "webhook_secret"
SECRET_BYTES = 32
NOT_CONFIGURED = (
    "This server cannot sign webhooks: whoever runs it sets WEBHOOK_SECRET, the same for all "
    "backends."
)


class WebhookTargets:
    """Takes what is asked for, so far as it can be met."""

    def __init__(self, guard: Guard, *, can_sign: bool) -> None:
        self._guard = guard
        self._can_sign = can_sign

    def target(self, request: WebhookRequest | None) -> Webhook | None:
        """As the task keeps it. Raises UrlRefused, WebhooksNotConfigured."""
        if request is None:
            return None
        if not self._can_sign:
            raise WebhooksNotConfigured(NOT_CONFIGURED, parameter="webhook")
        url = self._guard.check_url(request.url, "webhook.url")
        return Webhook(str(url), tuple(dict.fromkeys(request.events)), url.host)


def webhook_secret(settings: Settings) -> str | None:
    """The setting's, or that of the data folder, where it is made once.

    None where several backends would each make their own. Raises StorageUnavailable.
    """
    if settings.webhook_secret or settings.database_url:
        return settings.webhook_secret or None
    try:
        return _kept(settings.data_path / FILE)
    except OSError as exc:
        raise StorageUnavailable(f"The secret of webhooks cannot be kept: {exc}.") from exc


def _kept(path: Path) -> str:
    if path.exists():
        kept = path.read_text().strip()
        if is_webhook_secret(kept):
            return kept
        raise StorageUnavailable(
            f"{path} is no webhook secret (whsec_ and base64). Put it right, or remove it to have "
            "another one made."
        )
    made = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")
    half = path.with_name(f"{FILE}.new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{made}\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    return made
