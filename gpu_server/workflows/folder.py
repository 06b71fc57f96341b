"""The workflows of one folder, each read once and again when its files change."""

from dataclasses import dataclass
from pathlib import Path

from gpu_server.workflows.loader import (
    read_workflow_file,
    sidecar_path,
    workflow_file,
    workflow_names,
)
from gpu_server.workflows.object_info import ObjectInfo
from gpu_server.workflows.workflow import Workflow

Stamp = tuple[tuple[int, int] | None, ...]
"""Times and sizes of a workflow's files."""


@dataclass(frozen=True)
class _Read:
    stamp: Stamp
    object_info: ObjectInfo | None
    workflow: Workflow


class WorkflowFolder:
    """A file dropped in, changed or removed is seen at the next look. Safe from many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[str, _Read] = {}

    def names(self) -> list[str]:
        """The names that can be asked for, sorted; none where the folder does not exist."""
        return workflow_names(self._path)

    def read(self, name: str, object_info: ObjectInfo | None = None) -> Workflow:
        """The workflow, typed and bounded by `object_info` where that is known.

        Raises InvalidWorkflowName, WorkflowNotFound (with the names that exist), WorkflowInvalid.
        """
        path = workflow_file(name, self._path)
        stamp, known = _stamp(path), self._read.get(name)
        if known is None or known.stamp != stamp or known.object_info is not object_info:
            known = _Read(stamp, object_info, read_workflow_file(path, object_info))
            self._read[name] = known
        return known.workflow

    def stamps(self) -> list[tuple[str, Stamp]]:
        """Another list whenever a file is added, changed or removed."""
        return [(name, _stamp(self._path / f"{name}.json")) for name in self.names()]


def _stamp(path: Path) -> Stamp:
    return tuple(_times(each) for each in (path, sidecar_path(path)))


def _times(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
