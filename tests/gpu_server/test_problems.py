"""Every error as one kind of answer."""

import json
from typing import Any

import httpx
import pytest

from gpu_server.problems import MAX_ECHO
from tests.gpu_server.serving import problem, serving


async def refused(content: str | bytes) -> httpx.Response:
    async with serving() as service:
        return await service.send(content)


async def test_problem_has_the_fields_of_rfc_9457_and_ours() -> None:
    async with serving() as service:
        reply = await service.http.get("/nothing")
    assert reply.json() == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "Not Found",
        "code": "not_found",
        "retryable": False,
    }


async def test_long_wrong_input_is_not_sent_back() -> None:
    secret = "x" * (MAX_ECHO + 1)
    reply = await refused(json.dumps({"workflow": [secret]}))
    assert secret not in reply.text
    problem(reply, 422, "validation_error")


async def test_short_wrong_input_is_shown() -> None:
    document = problem(await refused('{"workflow": 7}'), 422, "validation_error")
    assert document["detail"][0]["input"] == 7


@pytest.mark.parametrize("workflow", ["NaN", "Infinity", "[NaN]", '["\\ud800"]'])
async def test_answer_to_what_json_cannot_say_is_json(workflow: str) -> None:
    reply = await refused(f'{{"workflow": {workflow}}}')

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(reply.content, parse_constant=refuse)["code"] == "validation_error"


async def test_deeply_nested_wrong_input_is_refused() -> None:
    reply = await refused('{"workflow": ' + "[" * 700 + "]" * 700 + "}")
    assert reply.status_code in (400, 422)


async def test_body_that_is_no_text_is_refused() -> None:
    assert (await refused(b"\xff\xfe{}")).status_code in (400, 422)
