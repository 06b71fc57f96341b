"""What the probes look at in a running backend."""

from backend.assembly import Engine
from backend.services.checks import (
    comfyui_answers,
    gpu_service_answers,
    has_died,
    has_room,
    still_works,
    store_answers,
    worker_lives,
)
from backend.services.readiness import Liveness, Readiness
from backend.services.room import Room
from backend.services.webhooks import WebhookDeliverer

WORKER, WEBHOOKS = "A worker", "What sends webhooks"


def readiness_of(engine: Engine, room: Room, webhooks: WebhookDeliverer | None) -> Readiness:
    """Whether it is to be sent requests."""
    return Readiness(
        checks={
            "database": store_answers(engine.store),
            "disk": has_room(room),
            "worker": still_works(engine, WORKER),
        },
        notes={
            **({"webhooks": still_works(webhooks, WEBHOOKS)} if webhooks else {}),
            "gpu_service": gpu_service_answers(engine.services),
            "comfyui": comfyui_answers(engine.services),
            **({"workers": worker_lives(engine.shared)} if engine.shared else {}),
        },
    )


def liveness_of(engine: Engine, webhooks: WebhookDeliverer | None) -> Liveness:
    """Whether it has to be started anew."""
    return Liveness(
        {
            "worker": has_died(engine, WORKER),
            **({"webhooks": has_died(webhooks, WEBHOOKS)} if webhooks else {}),
        }
    )
