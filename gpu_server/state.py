"""What one running GPU service holds, and how routes reach it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from gpu_server.services.catalogue import CatalogueService
from gpu_server.services.generation import GenerationService
from gpu_server.services.health import HealthService
from gpu_server.services.jobs import JobService
from gpu_server.services.readiness import Liveness, Readiness
from gpu_server.services.scrape import Scrape


@dataclass(frozen=True)
class ServiceState:
    """Made when the service starts."""

    health: HealthService
    readiness: Readiness
    liveness: Liveness
    scrape: Scrape
    jobs: JobService
    generation: GenerationService
    catalogue: CatalogueService


async def get_state(request: Request) -> ServiceState:
    """The running service's state."""
    state: ServiceState = request.app.state.service
    return state


State = Annotated[ServiceState, Depends(get_state)]
