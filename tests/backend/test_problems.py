"""Every error as one kind of answer."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from backend.errors import (
    BackendError,
    GPUServiceRefused,
    InvalidInput,
    StorageFull,
    StorageUnavailable,
    TaskNotFound,
)
from backend.problems import add_error_handlers

raising: list[Exception] = []


@pytest.fixture
async def asking() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with a route that raises what is told."""
    app = FastAPI()
    add_error_handlers(app)
    raising.clear()

    @app.get("/")
    async def route() -> None:
        raise raising[0]

    @app.post("/numbers")
    async def numbers(numbers: list[int]) -> None: ...

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_error_is_a_problem_document(asking: httpx.AsyncClient) -> None:
    raising.append(TaskNotFound("There is no task 'x'."))
    reply = await asking.get("/")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {
        "type": "about:blank",
        "title": "Task not found",
        "status": 404,
        "detail": "There is no task 'x'.",
        "code": "task_not_found",
        "retryable": False,
    }


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [
        (InvalidInput("no"), 422, False),
        (StorageFull("full"), 507, True),
        (StorageUnavailable("locked"), 503, True),
        (GPUServiceRefused("busy", code="busy", retryable=True), 502, True),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_status_and_retryable_are_the_error_s(
    asking: httpx.AsyncClient, error: BackendError, status: int, retryable: bool
) -> None:
    raising.append(error)
    reply = await asking.get("/")
    assert reply.status_code == status
    assert (reply.json()["code"], reply.json()["retryable"]) == (error.code, retryable)


async def test_what_is_known_stands_beside_it(asking: httpx.AsyncClient) -> None:
    raising.append(InvalidInput("no", parameter="steps", hint="20"))
    problem = (await asking.get("/")).json()
    assert (problem["parameter"], problem["hint"]) == ("steps", "20")


async def test_503_says_when_to_come_back(asking: httpx.AsyncClient) -> None:
    raising.append(StorageUnavailable("locked"))
    assert (await asking.get("/")).headers["Retry-After"] == "5"


async def test_framework_s_errors_are_problems_too(asking: httpx.AsyncClient) -> None:
    reply = await asking.get("/nowhere")
    assert reply.headers["content-type"] == "application/problem+json"
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


async def test_wrong_method_names_the_right_ones(asking: httpx.AsyncClient) -> None:
    reply = await asking.delete("/")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == "GET"


async def test_many_wrong_inputs_are_not_all_listed(asking: httpx.AsyncClient) -> None:
    reply = await asking.post("/numbers", json=["x"] * 10_000)
    assert reply.status_code == 422
    assert len(reply.json()["detail"]) == 20


async def test_other_400_stays_400(asking: httpx.AsyncClient) -> None:
    raising.append(HTTPException(400, "odd"))
    reply = await asking.get("/")
    assert (reply.status_code, reply.json()["detail"]) == (400, "odd")


async def test_bug_is_500_and_tells_nothing_of_the_inside(asking: httpx.AsyncClient) -> None:
    raising.append(RuntimeError("the password is 1234"))
    reply = await asking.get("/")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "1234" not in reply.text


async def test_bug_is_left_to_the_server_to_log() -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/")
    async def route() -> None:
        raise RuntimeError("a bug")

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        with pytest.raises(RuntimeError, match="a bug"):
            await client.get("/")


async def test_unpaired_surrogate_in_an_error_is_escaped(asking: httpx.AsyncClient) -> None:
    raising.append(InvalidInput("no file a\udcff"))
    reply = await asking.get("/")
    assert reply.status_code == 422
    assert reply.content.isascii()
