"""Large JSON bodies are read as small ones are."""

import pytest

from gpu_server.heavy import LARGE
from tests.gpu_server.serving import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PADDING = "x" * LARGE


@pytest.mark.parametrize("path", ["/generate", "/jobs/6a3c1c52-93e6-4f0e-8f1e-3c2f6cf8f0aa"])
@pytest.mark.parametrize(
    "text",
    [
        '{"workflow": ',
        '{"workflow": "%s"',
        '{"workflow": "w", "params": {"a": "%s"}} more',
        '["%s"]',
        '{"workflow": 1, "params": {"a": "%s"}}',
    ],
)
async def test_what_is_wrong_is_told_in_the_same_words(stub: Service, path: str, text: str) -> None:
    method = "POST" if path == "/generate" else "PUT"
    replies = []
    for padding in ("x", PADDING):
        reply = await stub.http.request(
            method,
            path,
            content=text.replace("%s", padding).encode(),
            headers={"Content-Type": "application/json"},
        )
        assert reply.status_code == 422
        [detail] = reply.json()["detail"]
        replies.append((detail["type"], detail["msg"], detail["loc"][:1]))
    assert replies[0] == replies[1]


async def test_large_parameters_arrive(stub: Service) -> None:
    body = {"workflow": "any", "params": {"prompt": PADDING, "seed": 2**64 - 1, "cfg": 7.5}}
    reply = await stub.http.post("/generate", json=body)
    assert (reply.status_code, reply.json()["status"]) == (200, "done")
