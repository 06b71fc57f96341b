"""What a node class is made of, and what it may use while it runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image

from tests.fake_comfyui.files import Files
from tests.fake_comfyui.recorded import Json


class Context(Protocol):
    """What the executor offers a running node."""

    @property
    def files(self) -> Files: ...

    @property
    def texts(self) -> Json:
        """What goes into a saved picture: `prompt`, and the caller's extra_pnginfo."""

    async def sample(self, steps: int, preview: Callable[[int], Image.Image]) -> None:
        """Spend the job's time on `steps` steps, with progress and previews."""

    async def send_image(self, index: int, total: int, image: Image.Image) -> None:
        """Send a picture over the socket, in a binary frame."""


@dataclass(frozen=True)
class Output:
    """A node's result: one value per output slot, and what it shows in the history."""

    values: tuple[Any, ...] = ()
    ui: Json | None = None


Execute = Callable[..., Awaitable[Output]]


@dataclass(frozen=True)
class Node:
    """One node class. `execute(context, **inputs)` runs it.

    choices: inputs whose allowed values are the files of a model folder, or of `input`.
    custom_checked: inputs that a validation of its own checks, in place of the list.
    changes: the value that makes a cached result stale; None for a node never cached.
    object_info: needed only for a class that the recordings lack.
    """

    execute: Execute
    choices: Mapping[str, str] = field(default_factory=dict)
    custom_checked: frozenset[str] = frozenset()
    changes: Callable[[Files, Json], str | None] = lambda files, inputs: ""
    sampler: bool = False
    object_info: Json | None = None
