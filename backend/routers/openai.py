"""OpenAI's Images API: `/v1/images/…` and `/v1/models`."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from backend.access import Caller
from backend.body_limit import ARRIVED
from backend.errors import (
    BackendError,
    EngineIsStub,
    GenerationFailed,
    InvalidInput,
    ModelNotFound,
    ServiceStopping,
)
from backend.openai_errors import envelope
from backend.problem_docs import GUARDED, SUBMITTING, openai_problems
from backend.routers.access import Reader, Submitter
from backend.routers.body_route import BodyRoute
from backend.routers.hanging_up import GONE_STATUS, nobody_there, while_connected
from backend.routers.multipart import image_form
from backend.routers.paths import Mode
from backend.routers.patience import patient
from backend.routers.streaming import EVENT, HEADERS, HEARTBEAT
from backend.routers.wishes import StatedWishes
from backend.schemas.openai_images import (
    ImageEvent,
    ImageGenerationRequest,
    ImageRequest,
    ImagesResponse,
    Model,
    ModelList,
)
from backend.services.generation_router import Wishes
from backend.services.openai_images import ImageOrder
from backend.state import BackendState, State

RETRY_COUNT = "X-Stainless-Retry-Count"
"""What OpenAI's clients count their tries in."""
EVENTS = {"text/event-stream": {"schema": EVENT}}
IMAGES: dict[int | str, dict[str, Any]] = {
    **openai_problems(
        *SUBMITTING,
        *GUARDED,
        ModelNotFound,
        EngineIsStub,
        GenerationFailed,
        ServiceStopping,
        body=True,
    ),
    200: {"model": ImagesResponse, "content": EVENTS, "description": "The images, or their events"},
}
PNG = {"type": "string", "contentMediaType": "image/png"}
COMPONENT = "#/components/schemas/{model}"
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image", "prompt"],
                    "properties": {
                        "image": PNG,
                        "image[]": {"type": "array", "items": PNG, "description": "Several."},
                        "mask": {
                            **PNG,
                            "description": "What is transparent in it is painted anew.",
                        },
                        **ImageRequest.model_json_schema(ref_template=COMPONENT)["properties"],
                    },
                    "additionalProperties": True,
                }
            }
        },
    }
}

router = APIRouter(prefix="/v1", tags=["openai"], route_class=BodyRoute)


@router.post("/images/generations", response_model=None, responses=IMAGES)
async def generations(
    body: ImageGenerationRequest,
    request: Request,
    state: State,
    caller: Submitter,
    wishes: StatedWishes,
) -> Response:
    """Images after a prompt. `model` is a mode; further fields are its parameters."""
    order = ImageOrder(body, base_url=str(request.base_url))
    return await _answer(order, request, state, caller, wishes)


@router.post("/images/edits", response_model=None, responses=IMAGES, openapi_extra=FORM)
async def edits(
    request: Request, state: State, caller: Submitter, wishes: StatedWishes
) -> Response:
    """An image painted anew: all of it, or what is transparent in a mask."""
    state.openai.check_engine()  # Before a stranger's images are read for nothing.
    form = await image_form(request, state.image_check, state.masks)
    order = ImageOrder(
        form.request,
        "image_edit",
        form.images,
        form.mask,
        texts=True,
        base_url=str(request.base_url),
    )
    return await _answer(order, request, state, caller, wishes)


@router.get("/models", responses=openai_problems(*GUARDED))
async def models(state: State, _: Reader) -> ModelList:
    """The modes."""
    return ModelList(data=[Model(id=mode) for mode in state.catalogue.offered()])


@router.get("/models/{model}", responses=openai_problems(ModelNotFound, *GUARDED))
async def model(model: Mode, state: State, _: Reader) -> Model:
    """One mode."""
    return Model(id=state.openai.model(model))


async def _answer(
    order: ImageOrder, request: Request, state: BackendState, caller: Caller, wishes: Wishes
) -> Response:
    if order.request.stream and order.request.n > 1:
        raise InvalidInput("A stream has one image: leave n out.", parameter="n")
    if wishes.idempotency_key is not None:
        return await _made(order, request, state, caller, wishes)
    retry = request.headers.get(RETRY_COUNT, "0") != "0"
    parts = (order.request, order.kind, *order.images, order.mask)
    key = await state.order_keys.key(caller, *parts, retry=retry)
    try:
        made = await _made(order, request, state, caller, replace(wishes, idempotency_key=key))
    except BackendError:
        state.order_keys.answered(key)
        raise
    if made.status_code != GONE_STATUS:
        state.order_keys.answered(key)
    return made


async def _made(
    order: ImageOrder, request: Request, state: BackendState, caller: Caller, wishes: Wishes
) -> Response:
    if order.request.stream:
        [task] = await state.openai.start(order, wishes, caller)
        events = state.openai.events(order, task, caller)
        return StreamingResponse(_encoded(events), media_type="text/event-stream", headers=HEADERS)
    images = patient(state.openai.make(order, wishes, caller), request.scope[ARRIVED])
    return await while_connected(request, images) or nobody_there()


async def _encoded(events: AsyncGenerator[ImageEvent | None, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        try:
            async for event in events:
                yield HEARTBEAT if event is None else _bytes(event.type, _told(event))
        except BackendError as exc:
            yield _bytes("error", envelope(exc.status, exc.code, exc.message, exc.extra))


def _told(event: ImageEvent) -> dict[str, Any]:
    return event.model_dump(exclude_none=True)


def _bytes(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
