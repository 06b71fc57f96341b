"""Routing a generation request: mode to workflow, style to prompt, fields to parameters."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from backend.errors import InvalidInput, UnknownStyle
from backend.schemas.request_generate import GenerateRequest
from backend.services.catalogue import ModeCatalogue
from backend.services.images import ImageCheck
from backend.services.styles import Style
from backend.store.sqlite import SQLiteTaskStore
from backend.tasks import Task
from backend.utils.logging import describe

log = logging.getLogger(__name__)


class GenerationRouter:
    """Turns a request into a task that is kept. `on_queued` wakes the worker."""

    def __init__(
        self,
        store: SQLiteTaskStore,
        catalogue: ModeCatalogue,
        styles: Mapping[str, Style],
        image_check: ImageCheck,
        max_face_images: int,
        on_queued: Callable[[], None],
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._styles = styles
        self._image_check = image_check
        self._max_face_images = max_face_images
        self._on_queued = on_queued

    async def submit(self, request: GenerateRequest) -> Task:
        """Keep the request as a task; it is on disk when this returns.

        Raises UnknownMode, UnknownStyle and InvalidInput, the three only where the catalogue
        binds; StorageFull and StorageUnavailable.
        """
        if self._catalogue.binding:
            await self._check(request)
        task = Task(
            id=str(uuid.uuid4()),
            mode=request.mode,
            workflow=self._catalogue.workflow(request.mode),
            params=self._params(request),
            created_at=time.time(),
        )
        await self._store.add(task)
        log.info(
            "Task %s queued: mode=%r workflow=%r request=%s",
            task.id,
            task.mode[:100],
            task.workflow[:100],
            describe(request.model_dump(), whole=log.isEnabledFor(logging.DEBUG)),
        )
        self._on_queued()
        return task

    async def _check(self, request: GenerateRequest) -> None:
        await self._catalogue.check(request.mode)
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
        for number, image in enumerate(faces):
            self._image_check.check(f"face_images[{number}]", image)
        if request.target_image is not None:
            self._image_check.check("target_image", request.target_image)

    def _params(self, request: GenerateRequest) -> dict[str, Any]:
        """What the workflow gets: the fields that are there; they win over `extra_params`."""
        fields = {
            "prompt": request.prompt,
            "face_images": request.face_images,
            "target_image": request.target_image,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        params = {**(request.extra_params or {}), **given}
        style = self._styles.get(request.style or "")
        return _styled(params, style) if style else params


def _styled(params: dict[str, Any], style: Style) -> dict[str, Any]:
    prompt, negative = params.get("prompt", ""), params.get("negative_prompt")
    if not isinstance(prompt, str) or not isinstance(negative, (str, type(None))):
        return params  # Wrong types are the workflow's to refuse, by name.
    styled = {**params, "prompt": style.apply(prompt)}
    negative = style.apply_negative(negative)
    return styled if negative is None else {**styled, "negative_prompt": negative}
