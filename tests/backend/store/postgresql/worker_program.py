"""A worker process to be killed or stopped: claims one task, waits for a line, and finishes it."""

import asyncio
import sys

from backend.store.postgresql.store import PostgreSQLTaskStore
from backend.tasks import Outcome, TaskState
from tests.backend.making import claimed

HEARTBEAT, STALLED_AFTER = 0.1, 1.0


async def main(url: str) -> None:
    store = PostgreSQLTaskStore(
        url, worker=True, heartbeat=HEARTBEAT, stalled_after=STALLED_AFTER, max_connections=2
    )
    await store.open()
    task = await claimed(store, job_id="of the process")
    sys.stdout.write(f"{task.id}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    finished = await store.finish(task, Outcome(TaskState.DONE), 2500.0)
    sys.stdout.write(f"{finished}\n")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
