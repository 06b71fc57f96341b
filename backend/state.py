"""What one running backend holds, and how routes reach it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from backend.assembly import Engine
from backend.config import Settings
from backend.services.access import AccessService
from backend.services.admission import Admission
from backend.services.catalogue import ModeCatalogue
from backend.services.estimates import Estimates
from backend.services.generation_router import GenerationRouter
from backend.services.health import HealthService
from backend.services.images import ImageCheck
from backend.services.openai_images import OpenAIImages
from backend.services.rate_limits import RateLimits
from backend.services.readiness import Readiness
from backend.services.retrying import TaskRetry
from backend.services.room import Room
from backend.services.styles import Style
from backend.services.task_display import TaskDisplay
from backend.services.task_story import TaskStory
from backend.services.tasks import TaskService
from backend.services.uploads import UploadService


@dataclass(frozen=True)
class BackendState:
    """Made when the backend starts."""

    access: AccessService
    rate_limits: RateLimits
    health: HealthService
    readiness: Readiness
    generation: GenerationRouter
    tasks: TaskService
    story: TaskStory
    retry: TaskRetry
    catalogue: ModeCatalogue
    uploads: UploadService
    image_check: ImageCheck
    openai: OpenAIImages


async def get_state(connection: HTTPConnection) -> BackendState:
    """The running backend's state."""
    state: BackendState = connection.app.state.backend
    return state


State = Annotated[BackendState, Depends(get_state)]


def state_of(
    settings: Settings,
    engine: Engine,
    styles: Mapping[str, Style],
    room: Room,
    readiness: Readiness,
) -> BackendState:
    """The services on top of a running engine."""
    store, outputs, live = engine.store, engine.outputs, engine.live
    image_check = ImageCheck(settings.max_image_size_mb, settings.max_image_megapixels)
    uploads = UploadService(outputs, image_check, room)
    slots = len(settings.gpu_service_urls) * settings.worker_concurrency
    display = TaskDisplay(store, outputs, live, Estimates(store, slots))
    tasks = TaskService(store, outputs, live, engine.services, display)
    story = TaskStory(store, live, tasks)
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
        max_face_images=settings.max_face_images,
        ageing=ageing,
        on_queued=wake,
    )
    return BackendState(
        access=AccessService(engine.keys, required=settings.require_api_key),
        rate_limits=RateLimits(settings.rate_limit_per_key, settings.rate_limit_per_address),
        health=HealthService(engine.services, engine, settings.api_version),
        readiness=readiness,
        generation=generation,
        tasks=tasks,
        story=story,
        retry=TaskRetry(store, live, admission, ageing=ageing, on_queued=wake),
        catalogue=engine.catalogue,
        uploads=uploads,
        image_check=image_check,
        openai=OpenAIImages(generation, tasks, story, engine.catalogue, live),
    )
