"""Stores to test with."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from backend.store.task_store import TaskStore

Store = TypeVar("Store", bound=TaskStore)
Process = Callable[[], AbstractAsyncContextManager[TaskStore]]
"""Enters the open store of a new process; what that leaves running, the next one finds so."""


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    """The store, while it is open."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()
