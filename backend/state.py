"""What one running backend holds, and how routes reach it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from backend.assembly import Engine
from backend.clients.image_fetcher import ImageFetcher
from backend.clients.outward import Outward
from backend.clients.webhook_client import WebhookClient
from backend.config import Settings
from backend.metrics.backend import BackendMetrics
from backend.services.access import AccessService
from backend.services.admission import Admission
from backend.services.attachments import Attachments
from backend.services.catalogue import ModeCatalogue
from backend.services.deliveries import DeliveryService
from backend.services.draining import Draining
from backend.services.estimates import Estimates
from backend.services.generation_router import GenerationRouter
from backend.services.health import HealthService
from backend.services.images import ImageCheck
from backend.services.key_admin import KeyAdmin
from backend.services.masks import Masks
from backend.services.openai_images import OpenAIImages
from backend.services.openai_retries import OrderKeys
from backend.services.rate_limits import RateLimits
from backend.services.readiness import Liveness, Readiness
from backend.services.retrying import TaskRetry
from backend.services.room import Room
from backend.services.scrape import Scrape
from backend.services.styles import Style
from backend.services.task_display import TaskDisplay
from backend.services.task_story import TaskStory
from backend.services.tasks import TaskService
from backend.services.thumbnails import Thumbnails
from backend.services.uploads import UploadService
from backend.services.webhook_targets import WebhookTargets, webhook_secret
from backend.services.webhooks import WebhookDeliverer


@dataclass(frozen=True)
class BackendState:
    """Made when the backend starts."""

    access: AccessService
    rate_limits: RateLimits
    key_admin: KeyAdmin
    health: HealthService
    readiness: Readiness
    liveness: Liveness
    scrape: Scrape
    generation: GenerationRouter
    draining: Draining
    tasks: TaskService
    thumbnails: Thumbnails
    story: TaskStory
    retry: TaskRetry
    catalogue: ModeCatalogue
    styles: Mapping[str, Style]
    uploads: UploadService
    image_check: ImageCheck
    masks: Masks
    openai: OpenAIImages
    order_keys: OrderKeys
    deliveries: DeliveryService
    origins: frozenset[str]
    """Of pages that may call the API from a browser."""


async def get_state(connection: HTTPConnection) -> BackendState:
    """The running backend's state."""
    state: BackendState = connection.app.state.backend
    return state


State = Annotated[BackendState, Depends(get_state)]


def display_of(engine: Engine) -> TaskDisplay:
    """How tasks are shown."""
    estimates = Estimates(engine.store, engine.services.answering)
    return TaskDisplay(engine.store, engine.outputs, engine.live, estimates)


def webhooks_of(
    settings: Settings,
    engine: Engine,
    display: TaskDisplay,
    outward: Outward,
    metrics: BackendMetrics,
) -> WebhookDeliverer | None:
    """What tells webhooks; None where there is no secret to sign with."""
    secret = webhook_secret(settings)
    if secret is None:
        return None
    client = WebhookClient(outward.http, secret)
    return WebhookDeliverer(engine.outbox, engine.store, display, client, metrics=metrics.work)


def state_of(
    settings: Settings,
    engine: Engine,
    display: TaskDisplay,
    styles: Mapping[str, Style],
    room: Room,
    readiness: Readiness,
    liveness: Liveness,
    outward: Outward,
    webhooks: WebhookDeliverer | None,
    metrics: BackendMetrics,
) -> BackendState:
    """The services on top of a running engine."""
    store, outputs, live = engine.store, engine.outputs, engine.live
    image_check = ImageCheck(settings.max_image_size_mb, settings.max_image_megapixels)
    megabytes = settings.max_image_size_mb * 1024 * 1024
    fetcher = ImageFetcher(outward.http, outward.guard, megabytes)
    uploads = UploadService(outputs, image_check, room, fetcher)
    tasks = TaskService(store, outputs, live, engine.services, display, metrics.work)
    access = AccessService(engine.keys, required=settings.require_api_key)
    story = TaskStory(store, live, tasks, access)
    admission = Admission(store, room, settings.max_queued_tasks)
    ageing, wake = settings.priority_ageing, engine.wake
    generation = GenerationRouter(
        store,
        engine.catalogue,
        engine.services,
        admission,
        styles,
        image_check,
        uploads,
        Attachments(outputs),
        WebhookTargets(outward.guard, can_sign=webhooks is not None),
        max_face_images=settings.max_face_images,
        ageing=ageing,
        on_queued=wake,
        metrics=metrics.work,
    )
    return BackendState(
        access=access,
        key_admin=KeyAdmin(engine.keys),
        rate_limits=RateLimits(settings.rate_limit_per_key, settings.rate_limit_per_address),
        health=HealthService(engine.services, engine, settings.api_version),
        readiness=readiness,
        liveness=liveness,
        generation=generation,
        draining=Draining(engine.workers, readiness, tasks),
        tasks=tasks,
        thumbnails=Thumbnails(tasks),
        story=story,
        scrape=Scrape(
            metrics.registry, metrics.standing, readiness, store, engine.outbox, engine.shared, room
        ),
        retry=TaskRetry(
            store, live, admission, ageing=ageing, on_queued=wake, metrics=metrics.work
        ),
        catalogue=engine.catalogue,
        styles=styles,
        uploads=uploads,
        image_check=image_check,
        masks=Masks(),
        origins=frozenset(settings.cors_origins),
        deliveries=DeliveryService(engine.outbox, webhooks.wake if webhooks else lambda: None),
        openai=OpenAIImages(generation, tasks, story, engine.catalogue, live),
        order_keys=OrderKeys(),
    )
