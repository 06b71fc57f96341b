"""Routes under `/webhooks`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from backend.errors import DeliveryNotFound, InvalidInput
from backend.problem_docs import GUARDED, problems
from backend.routers.access import Reader, Submitter
from backend.routers.pages import Cursor, Limit, next_page
from backend.schemas.response_webhook import DeliveriesResponse, DeliveryResponse
from backend.state import State
from backend.store.webhook_outbox import DeliveryFilter, DeliveryState

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@router.get("/deliveries", responses=problems(InvalidInput, *GUARDED))
async def deliveries(
    request: Request,
    state: State,
    caller: Reader,
    response: Response,
    only: Annotated[DeliveryState | None, Query(alias="state", description="Only these.")] = None,
    task_id: Annotated[str | None, Query(description="Only of this task.")] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> DeliveriesResponse:
    """What webhooks were told, and what they are still to be told; the newest first."""
    wanted = DeliveryFilter(state=only, task_id=task_id)
    page = await state.deliveries.newest(wanted, cursor, limit, caller)
    response.headers.update(next_page(request, page.next_cursor))
    return page


@router.post("/deliveries/{delivery_id}/redeliver", responses=problems(DeliveryNotFound, *GUARDED))
async def redeliver(
    delivery_id: Annotated[str, Path(description="The header `webhook-id`.")],
    state: State,
    caller: Submitter,
) -> DeliveryResponse:
    """Send it once more, now, under the same `webhook-id`."""
    return await state.deliveries.redeliver(delivery_id, caller)
