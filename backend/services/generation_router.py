"""Routing a generation request: mode to workflow, style to prompt, fields to parameters."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from backend.access import Caller
from backend.correlation import current
from backend.errors import InvalidInput, KeyReused, RateLimited, StorageFull, UnknownStyle
from backend.heavy import in_turn
from backend.large_texts import fingerprint as fingerprint_of
from backend.metrics.work import UNCOUNTED, WorkMetrics
from backend.schemas.request_generate import GenerateRequest
from backend.services.admission import Admission
from backend.services.attachments import Attachments
from backend.services.catalogue import ModeCatalogue
from backend.services.gpu_services import GPUServices
from backend.services.images import ImageCheck
from backend.services.parameters import is_image
from backend.services.styles import Style
from backend.services.uploads import UploadService
from backend.services.webhook_targets import WebhookTargets
from backend.store.task_store import TaskStore
from backend.tasks import AS_MADE, Priority, Task
from backend.utils.logging import describe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wishes:
    """What a client says of a task beside what it is to make."""

    idempotency_key: str | None = None
    priority: Priority = Priority.NORMAL
    cancel_after: float | None = None
    """Seconds from now."""


class GenerationRouter:
    """Turns a request into a task that is kept. `on_queued` wakes the workers."""

    def __init__(
        self,
        store: TaskStore,
        catalogue: ModeCatalogue,
        services: GPUServices,
        admission: Admission,
        styles: Mapping[str, Style],
        image_check: ImageCheck,
        uploads: UploadService,
        attachments: Attachments,
        webhooks: WebhookTargets,
        *,
        max_face_images: int,
        ageing: float,
        on_queued: Callable[[], None],
        metrics: WorkMetrics = UNCOUNTED,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._services = services
        self._admission = admission
        self._styles = styles
        self._image_check = image_check
        self._uploads = uploads
        self._attachments = attachments
        self._webhooks = webhooks
        self._max_face_images = max_face_images
        self._ageing = ageing
        self._on_queued = on_queued
        self._metrics = metrics

    async def submit(
        self, request: GenerateRequest, wishes: Wishes, caller: Caller
    ) -> tuple[Task, bool]:
        """Keep the request as a task: it, and True; it is on disk when this returns.

        Where a task of the caller's has the idempotency key already: that one, and False.

        Raises UnknownMode, UnknownStyle and InvalidInput, the three only where the catalogue
        binds; UrlRefused; KeyReused; QueueFull, StorageFull and StorageUnavailable.
        """
        key, fingerprint = wishes.idempotency_key, None
        if key is not None:
            told = request.model_dump(exclude_none=True)
            fingerprint = await in_turn(partial(fingerprint_of, told))
            if (kept := await self._store.by_key(key, caller.key_id)) is not None:
                return _same(kept, fingerprint), False
        webhook = self._webhooks.target(request.webhook)
        await self._admission.check()
        params = await self._checked_params(request)
        now, workflow = time.time(), self._catalogue.workflow(request.mode)
        task_id = str(uuid.uuid4())
        params, attachments = await self._attachments.detach(task_id, params)
        task = Task(
            id=task_id,
            mode=request.mode,
            workflow=workflow,
            created_at=now,
            needs=self._services.needs(workflow, params),
            priority=wishes.priority,
            rank=wishes.priority.rank(now, self._ageing),
            deadline=None if wishes.cancel_after is None else now + wishes.cancel_after,
            owner=caller.key_id,
            output_options=request.output.options() if request.output else AS_MADE,
            webhook=webhook,
            attachments=attachments,
            idempotency_key=key,
            fingerprint=fingerprint,
            request_id=current().request_id,
            traceparent=current().traceparent,
        )
        try:
            kept, is_new = await self._store.add(task, params, caller.bounds)
        except (RateLimited, StorageFull):
            await self._attachments.discard(task)
            raise
        if not is_new:
            if kept.id != task.id:
                await self._attachments.discard(task)
            return _same(kept, fingerprint), False
        self._metrics.submitted(task.mode)
        self._log(task, request, caller)
        self._on_queued()
        return task, True

    def _log(self, task: Task, request: GenerateRequest, caller: Caller) -> None:
        log.info(
            "Task %s queued: mode=%r workflow=%r caller=%s request=%s",
            task.id,
            task.mode[:100],
            task.workflow[:100],
            caller.key_id or caller.name,
            describe(request.model_dump(), whole=log.isEnabledFor(logging.DEBUG)),
            extra={"task_id": task.id},
        )

    async def _checked_params(self, request: GenerateRequest) -> dict[str, Any]:
        if not self._catalogue.binding:
            return self._params(request)
        # The mode first: what is an upload, only its workflow's parameters tell.
        await self._catalogue.check(request.mode)
        self._check(request)
        # All that is no matter of the images, before any is fetched.
        await self._catalogue.check_parameters(request.mode, self._params(request))
        request = await self._with_uploads(request)
        for field, image in self._images(request):
            await self._image_check.check(field, image)
        return self._params(request)

    def _check(self, request: GenerateRequest) -> None:
        if request.style is not None and request.style not in self._styles:
            raise UnknownStyle(
                f"There is no style {request.style[:100]!r}. Styles: {', '.join(self._styles)}.",
                parameter="style",
                available=list(self._styles),
            )
        faces = request.face_images or []
        if len(faces) > self._max_face_images:
            raise InvalidInput(
                f"face_images has {len(faces)} images, at most {self._max_face_images} are taken "
                "(MAX_FACE_IMAGES).",
                parameter="face_images",
            )

    def _images(self, request: GenerateRequest) -> list[tuple[str, str]]:
        """Each image, with the name of its field."""
        faces = enumerate(request.face_images or ())
        images = [(f"face_images[{number}]", each) for number, each in faces]
        if request.target_image is not None:
            images.append(("target_image", request.target_image))
        return images + self._extra_images(request)

    def _extra_images(self, request: GenerateRequest) -> list[tuple[str, str]]:
        schema = self._catalogue.parameters(request.mode)
        given = {k: v for k, v in (request.extra_params or {}).items() if v is not None}
        return [(name, value) for name, value in given.items() if is_image(schema, name)]

    async def _with_uploads(self, request: GenerateRequest) -> GenerateRequest:
        """The request with its uploads put in."""
        put_in = iter(await self._uploads.put_in(self._images(request)))
        changed: dict[str, Any] = {}
        if request.face_images is not None:
            changed["face_images"] = [next(put_in) for _ in request.face_images]
        if request.target_image is not None:
            changed["target_image"] = next(put_in)
        if extra := {name: next(put_in) for name, _ in self._extra_images(request)}:
            changed["extra_params"] = {**(request.extra_params or {}), **extra}
        return request.model_copy(update=changed)

    def _params(self, request: GenerateRequest) -> dict[str, Any]:
        """What the workflow gets: the fields that are there; they win over `extra_params`."""
        fields = {
            "prompt": request.prompt,
            "face_images": request.face_images,
            "target_image": request.target_image,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        params = {**(request.extra_params or {}), **self._renamed(request.mode, given)}
        style = self._styles.get(request.style or "")
        if style is None:
            return params
        schema = self._catalogue.parameters(request.mode) if self._catalogue.binding else {}
        return _styled(params, style, schema.get("properties"))

    def _renamed(self, mode: str, given: dict[str, Any]) -> dict[str, Any]:
        """The request's images, under the names that the workflow has for them."""
        known = self._catalogue.parameters(mode).get("properties", {})
        renamed = dict(given)
        if "target_image" in given and "target_image" not in known and "image" in known:
            renamed["image"] = renamed.pop("target_image")
        if "face_images" in given and "face_images" not in known and "face_image" in known:
            for number, image in enumerate(renamed.pop("face_images"), 1):
                renamed["face_image" if number == 1 else f"face_image_{number}"] = image
        return renamed


def _same(task: Task, fingerprint: str | None) -> Task:
    if task.fingerprint != fingerprint:
        raise KeyReused(
            f"Idempotency-Key {str(task.idempotency_key)[:100]!r} came before with another "
            "request. Use a new key for a new request.",
            parameter="Idempotency-Key",
        )
    log.info("Task %s: its request came again", task.id, extra={"task_id": task.id})
    return task


def _styled(
    params: dict[str, Any], style: Style, known: Mapping[str, Any] | None
) -> dict[str, Any]:
    """`known` are the workflow's parameters, None where any will do. Raises InvalidInput."""
    if known is not None and "prompt" not in known:
        raise InvalidInput("This mode takes no style: it has no prompt.", parameter="style")
    prompt, negative = params.get("prompt"), params.get("negative_prompt")
    prompt = "" if prompt is None else prompt
    if not isinstance(prompt, str) or not isinstance(negative, (str, type(None))):
        return params  # Wrong types are the workflow's to refuse, by name.
    styled = {**params, "prompt": style.apply(prompt)}
    negative = style.apply_negative(negative)
    if negative is None or (known is not None and "negative_prompt" not in known):
        return styled
    return {**styled, "negative_prompt": negative}
