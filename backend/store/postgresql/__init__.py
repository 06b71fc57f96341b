"""The task store of many machines: PostgreSQL, with procrastinate as the queue."""
