"""Large parameters of a task, each kept as a file beside its outputs and not in its row.

A database reads, binds and writes a value as a whole, and a row of 50 MB holds up whatever else the
process does. As a file, the value goes from the client to the GPU service piece by piece.
"""

from collections.abc import Mapping
from typing import Any

from backend.errors import StorageFull
from backend.heavy import in_pieces
from backend.large_texts import as_json, is_large
from backend.store.outputs.output_store import OutputStore
from backend.tasks import Attachment, Output, Task

JSON = "application/json"


class Attachments:
    """Keeps them in the task's folder of the output store: what takes that away takes them too."""

    def __init__(self, outputs: OutputStore) -> None:
        self._outputs = outputs

    async def detach(
        self, task_id: str, params: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[Attachment, ...]]:
        """The parameters without the large ones, and these, which are on disk when it returns.

        Raises StorageFull, StorageUnavailable.
        """
        small = {name: value for name, value in params.items() if not is_large(value)}
        attached: list[Attachment] = []
        try:
            for name in (name for name in params if name not in small):
                data = await in_pieces(as_json(params[name]))
                file = await self._outputs.save(task_id, f"params-{len(attached)}", data, JSON)
                attached.append(Attachment(name, file.file, file.size))
        except StorageFull:
            await self._outputs.remove(task_id)
            raise
        return small, tuple(attached)

    async def read(self, task: Task) -> dict[str, bytes] | None:
        """Each value as JSON, by its name; None where one is gone. Raises StorageUnavailable."""
        values = {}
        for each in task.attachments:
            data = await self._outputs.read(task.id, Output(each.file, JSON, each.size))
            if data is None:
                return None
            values[each.name] = data
        return values

    async def discard(self, task: Task) -> None:
        """Those of a task that was not taken. Raises StorageUnavailable."""
        if task.attachments:
            await self._outputs.remove(task.id)
