"""What one running backend holds, and how routes reach it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from backend.services.access import AccessService
from backend.services.catalogue import ModeCatalogue
from backend.services.generation_router import GenerationRouter
from backend.services.health import HealthService
from backend.services.rate_limits import RateLimits
from backend.services.readiness import Readiness
from backend.services.retrying import TaskRetry
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


async def get_state(connection: HTTPConnection) -> BackendState:
    """The running backend's state."""
    state: BackendState = connection.app.state.backend
    return state


State = Annotated[BackendState, Depends(get_state)]
