"""OpenAI's Images API over our own tasks."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

from backend.access import Caller
from backend.errors import (
    BackendError,
    EngineIsStub,
    GenerationFailed,
    InvalidInput,
    ModelNotFound,
    ServiceStopping,
    UnknownMode,
)
from backend.schemas.openai_images import ImageData, ImageEvent, ImageRequest, ImagesResponse, Usage
from backend.schemas.request_generate import GenerateRequest, OutputRequest
from backend.schemas.response_task import TaskResponse
from backend.services.catalogue import ModeCatalogue
from backend.services.generation_router import GenerationRouter, Wishes
from backend.services.live import LiveHub
from backend.services.task_story import StoryEvent, TaskStory
from backend.services.tasks import TaskService
from backend.tasks import Task, TaskState

USUAL_MODEL, INPAINT, IMAGE_TO_IMAGE = "free", "inpaint", "image_to_image"
NO_STYLE = frozenset({"vivid", "natural"})
"""OpenAI's own, which are none of ours."""
TURN_SECONDS = 60.0
STUB = (
    "The engine is the stub, which makes no images. Whoever runs the server switches it with "
    "GENERATION_ENGINE=comfyui in gpu_server/.env."
)


@dataclass(frozen=True)
class ImageOrder:
    """A request, and the images that came with it in base64."""

    request: ImageRequest
    kind: str = "image_generation"
    """How its events are called."""
    images: tuple[str, ...] = ()
    mask: str | None = None
    texts: bool = False
    """It came as a form: its further fields are texts, whatever the mode takes."""
    base_url: str = ""
    """What the URLs of images begin with."""

    @property
    def model(self) -> str:
        """The mode that it is for."""
        usual = USUAL_MODEL
        if self.images:
            usual = IMAGE_TO_IMAGE if self.mask is None else INPAINT
        return self.request.model or usual


@dataclass
class Partials:
    """Which previews are sent on: so many, over the whole of the run."""

    wanted: int
    sent: int = 0
    progress: float = 0.0

    def takes(self, event: StoryEvent) -> bool:
        """Whether this is one of them."""
        if event.kind == "progress":
            self.progress = float(event.data["value"])
        due = self.progress >= self.sent / (self.wanted + 1)
        if event.kind != "preview" or self.sent >= self.wanted or not due:
            return False
        self.sent += 1
        return True


@dataclass(frozen=True)
class OpenAIImages:
    """Turns an order into tasks, and tasks into images."""

    generation: GenerationRouter
    tasks: TaskService
    story: TaskStory
    catalogue: ModeCatalogue
    live: LiveHub

    def model(self, name: str) -> str:
        """The mode of this name. Raises ModelNotFound."""
        if name not in self.catalogue.offered():
            raise ModelNotFound(f"There is no model {name[:100]!r}.", parameter="model")
        return name

    def check_engine(self) -> None:
        """Raise EngineIsStub where no images can be made."""
        if self.catalogue.engine == "stub":
            raise EngineIsStub(STUB)

    async def start(self, order: ImageOrder, wishes: Wishes, caller: Caller) -> list[Task]:
        """A task for each image.

        Raises EngineIsStub, ModelNotFound, and what GenerationRouter.submit does.
        """
        self.check_engine()
        try:
            if self.catalogue.binding:
                await self.catalogue.check(order.model)
        except UnknownMode as exc:
            raise ModelNotFound(exc.message, parameter="model") from exc
        started: list[Task] = []
        try:
            for number in range(order.request.n):
                request = self._request(order, number)
                key = wishes.idempotency_key
                own = (
                    wishes
                    if number == 0 or key is None
                    else replace(wishes, idempotency_key=f"{key}#{number}")
                )
                started.append((await self.generation.submit(request, own, caller))[0])
        except BackendError:
            for task in started:  # Nobody would fetch what they make.
                await self.tasks.cancel(task.id, caller)
            raise
        return started

    async def make(self, order: ImageOrder, wishes: Wishes, caller: Caller) -> ImagesResponse:
        """`start`, which is not broken off where this is cancelled; then `answer`."""
        starting = asyncio.create_task(self.start(order, wishes, caller), name="order")
        try:
            tasks = await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(BackendError):
                await starting
            raise
        return await self.answer(order, tasks, caller)

    async def answer(self, order: ImageOrder, tasks: list[Task], caller: Caller) -> ImagesResponse:
        """All images, once all are there. Raises GenerationFailed, ServiceStopping."""
        data: list[ImageData] = []
        kind = "png"
        for task in tasks:
            shown = await self._ended(task, caller)
            for number, output in enumerate(shown.outputs):
                if output.content_type.startswith("image/"):
                    kind = output.content_type.removeprefix("image/")
                    data.append(await self._image(order, shown, number, caller))
        return ImagesResponse(
            created=int(time.time()), data=data, output_format=kind, size=_size(order)
        )

    async def events(
        self, order: ImageOrder, task: Task, caller: Caller
    ) -> AsyncGenerator[ImageEvent | None, None]:
        """Partial images, then the whole one; None now and then. Raises as `answer` does."""
        partials = Partials(order.request.partial_images)
        async with aclosing(self.story.follow(task.id, caller, 0)) as story:
            async for event in story:
                if event is None:
                    yield None
                elif partials.takes(event):
                    kind = str(event.data["content_type"]).removeprefix("image/")
                    yield ImageEvent(
                        type=f"{order.kind}.partial_image",
                        b64_json=event.data["image"],
                        created_at=int(time.time()),
                        output_format=kind,
                        size=_size(order),
                        partial_image_index=partials.sent - 1,
                    )
        answer = await self.answer(replace(order, base_url=""), [task], caller)
        yield ImageEvent(
            type=f"{order.kind}.completed",
            b64_json=answer.data[0].b64_json or "",
            created_at=answer.created,
            output_format=answer.output_format,
            size=answer.size,
            usage=Usage(),
        )

    async def _ended(self, task: Task, caller: Caller) -> TaskResponse:
        shown = await self.tasks.wait(task.id, TURN_SECONDS, caller, with_image=False)
        while not shown.status.ended:
            if self.live.closed:
                raise ServiceStopping(f"The server stops. The image goes on as task {task.id}.")
            shown = await self.tasks.wait(task.id, TURN_SECONDS, caller, with_image=False)
        if shown.status is not TaskState.DONE:
            raise GenerationFailed(
                shown.error or f"Task {task.id} was cancelled.",
                code=shown.error_code or "task_cancelled",
            )
        if not any(output.content_type.startswith("image/") for output in shown.outputs):
            raise GenerationFailed(
                f"Mode {shown.mode!r} made no image. What it made is at /tasks/{task.id}.",
                code="no_image",
            )
        return shown

    async def _image(
        self, order: ImageOrder, task: TaskResponse, number: int, caller: Caller
    ) -> ImageData:
        if order.request.response_format == "url" and order.base_url:
            return ImageData(url=order.base_url.rstrip("/") + task.outputs[number].url)
        data = await self.tasks.read(task.task_id, number, caller)
        return ImageData(b64_json=base64.b64encode(data).decode("ascii"))

    def _request(self, order: ImageOrder, number: int) -> GenerateRequest:
        asked = order.request
        if asked.background == "transparent":
            raise InvalidInput("No mode makes a transparent background.", parameter="background")
        known = self.catalogue.parameters(order.model).get("properties", {})
        extra = {**_parameters(order, known), **_sized(asked, known), **_images(order)}
        if number and isinstance(extra.get("seed"), int):
            extra["seed"] += number
        return GenerateRequest(
            mode=order.model,
            # OpenAI asks for one always; a mode that only enlarges takes none.
            prompt=asked.prompt if not known or "prompt" in known else None,
            style=None if asked.style in NO_STYLE else asked.style,
            target_image=order.images[0] if order.images else None,
            extra_params=extra or None,
            output=_output(asked),
        )


def _output(asked: ImageRequest) -> OutputRequest | None:
    if asked.output_format is None and asked.output_compression is None:
        return None
    quality = asked.output_compression
    return OutputRequest(
        format=asked.output_format, quality=None if quality is None else max(quality, 1)
    )


def _parameters(order: ImageOrder, known: Mapping[str, Any]) -> dict[str, Any]:
    """What the request has beside OpenAI's own fields."""
    given = order.request.model_extra or {}
    if order.texts:
        given = {name: _read(text, known.get(name)) for name, text in given.items()}
    return {**(order.request.extra_params or {}), **given}


def _read(text: str, schema: Mapping[str, Any] | None) -> Any:
    """A form knows only texts: a parameter of the mode may be a number."""
    if schema is not None and (schema.get("type") == "string" or text in schema.get("enum", ())):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _sized(asked: ImageRequest, known: Mapping[str, Any]) -> dict[str, int]:
    if asked.size is None or asked.size == "auto":
        return {}
    if known and not {"width", "height"} <= known.keys():
        raise InvalidInput("This model takes no size: leave it out, or auto.", parameter="size")
    width, height = asked.size.split("x")
    return {"width": int(width), "height": int(height)}


def _images(order: ImageOrder) -> dict[str, str]:
    """Those beyond the first, under the names that workflows have for them."""
    further = {f"image_{number}": image for number, image in enumerate(order.images[1:], 2)}
    return further if order.mask is None else {**further, "mask": order.mask}


def _size(order: ImageOrder) -> str:
    return order.request.size or "auto"
