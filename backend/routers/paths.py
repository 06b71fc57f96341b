"""Parts of paths that several routes have."""

from typing import Annotated

from fastapi import Path

TaskId = Annotated[
    str,
    Path(
        description="As `task_id` was answered.", examples=["550e8400-e29b-41d4-a716-446655440000"]
    ),
]
Mode = Annotated[str, Path(description="As `GET /modes` lists it.", examples=["free"])]
Number = Annotated[int, Path(description="Of the output, from 0.", examples=[0])]
