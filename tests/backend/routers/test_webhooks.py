"""Webhooks as clients ask for them, and what they were told."""

import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.config import Settings, is_webhook_secret
from tests.backend.gpu_service import GPUService
from tests.backend.serving import ended, serving
from tests.conditions import eventually
from tests.receiver import Receiver, receiving, status


@pytest.fixture
def gpu(gpu: GPUService) -> GPUService:
    """The GPU service over the wire, and beside it real receivers."""
    gpu.router.route(host="127.0.0.1").pass_through()
    return gpu


async def post(client: httpx.AsyncClient, webhook: Any) -> httpx.Response:
    return await client.post("/generate", json={"mode": "free", "webhook": webhook})


async def delivered(client: httpx.AsyncClient, state: str, count: int = 1) -> list[Any]:
    async def look() -> list[Any] | None:
        reply = await client.get(f"/webhooks/deliveries?state={state}")
        found: list[Any] = reply.json()["deliveries"]
        return found if len(found) == count else None

    found: list[Any] = await eventually(look)
    return found


async def test_ends_are_told_unless_something_else_is_wanted(
    settings: Settings, gpu: GPUService
) -> None:
    async with (
        receiving() as receiver,
        serving(settings, outbound_allow="127.0.0.1") as client,
    ):
        task_id = (await post(client, {"url": receiver.url()})).json()["task_id"]
        [delivery] = await delivered(client, "delivered")
    assert (delivery["task_id"], delivery["event"], delivery["status"]) == (task_id, "done", 200)
    assert len(receiver.got) == 1


async def test_each_event_that_is_wanted_is_told(settings: Settings, gpu: GPUService) -> None:
    async with (
        receiving() as receiver,
        serving(settings, outbound_allow="127.0.0.1") as client,
    ):
        await post(client, {"url": receiver.url(), "events": ["queued", "running", "done"]})
        found = await delivered(client, "delivered", 3)
    assert [each["event"] for each in found] == ["done", "running", "queued"]


async def test_undelivered_one_is_listed_and_sent_again(
    settings: Settings, gpu: GPUService
) -> None:
    codes = [410, 200]
    async with (
        receiving(lambda _: status(codes.pop(0))) as receiver,
        serving(settings, outbound_allow="127.0.0.1") as client,
    ):
        await post(client, {"url": receiver.url()})
        [failed] = await delivered(client, "failed")
        assert (failed["error"], failed["next_attempt_at"]) == ("The receiver answered 410.", None)
        again = await client.post(f"/webhooks/deliveries/{failed['id']}/redeliver")
        assert (again.status_code, again.json()["id"]) == (200, failed["id"])
        await delivered(client, "delivered")
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1


async def test_unknown_delivery_is_404(client: httpx.AsyncClient) -> None:
    reply = await client.post("/webhooks/deliveries/nothing/redeliver")
    assert (reply.status_code, reply.json()["code"]) == (404, "delivery_not_found")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8188/", "http://[::1]/", "ftp://good.example/", "x", ""]
)
async def test_url_inside_is_refused_before_anything_is_kept(
    client: httpx.AsyncClient, url: str
) -> None:
    reply = await post(client, {"url": url})
    assert (reply.status_code, reply.json()["code"]) == (422, "url_refused")
    assert reply.json()["parameter"] == "webhook.url"
    assert (await client.get("/tasks")).json()["tasks"] == []


@pytest.mark.parametrize(
    "webhook", [{}, {"url": 1}, {"url": "https://a.example", "events": []}, {"events": ["done"]}]
)
async def test_webhook_that_is_none_is_422(client: httpx.AsyncClient, webhook: Any) -> None:
    assert (await post(client, webhook)).json()["code"] == "validation_error"


async def test_secret_is_made_once_for_its_owner_alone(
    settings: Settings, gpu: GPUService, caplog: pytest.LogCaptureFixture
) -> None:
    path = settings.data_path / "webhook_secret"
    async with serving(settings):
        made = path.read_text()
    async with serving(settings):
        assert path.read_text() == made
    assert is_webhook_secret(made.strip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.strip().removeprefix("whsec_") not in caplog.text


@pytest.mark.parametrize("secret", ["whsec_short", "c2VjcmV0" * 6, "whsec_" + "*" * 48])
def test_secret_that_is_none_is_a_wrong_setting(secret: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="whsec_ and base64"):
        Settings(_env_file=None, data_path=tmp_path, webhook_secret=secret)


async def test_image_is_fetched_where_its_url_is_sent(
    gpu: GPUService, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.has_workflows("free_generation", image={"type": "string", "contentEncoding": "base64"})
    async with (
        receiving(lambda _: status(200, b"no image")) as server,
        serving(settings, outbound_allow="127.0.0.1") as client,
    ):
        await eventually(lambda: "engine comfyui" in caplog.text)
        body = {"mode": "free", "target_image": server.url("/a.png")}
        reply = await client.post("/generate", json=body)
        assert "no PNG, JPEG or WebP" in reply.json()["detail"]
        body["target_image"] = "http://10.0.0.1/a.png"
        assert (await client.post("/generate", json=body)).json()["code"] == "url_refused"
    assert isinstance(server, Receiver)
    assert len(server.got) == 1


async def test_stub_fetches_nothing(settings: Settings, gpu: GPUService) -> None:
    async with receiving() as server, serving(settings, outbound_allow="127.0.0.1") as client:
        body = {"mode": "free", "target_image": server.url("/a.png")}
        reply = await client.post("/generate", json=body)
        assert (await ended(client, reply.json()["task_id"]))["status"] == "done"
    assert server.got == []
