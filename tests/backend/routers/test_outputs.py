"""`GET /tasks/{task_id}/outputs/{number}`."""

import re
import shutil
from typing import Any

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService, Made, a_picture
from tests.backend.making import base64_of, picture
from tests.backend.serving import ended, serving
from tests.s3_server import running_s3, use_s3

FILM = Made(bytes(range(256)), "video/mp4", "film.mp4")
TEXT = Made("wörd".encode(), "text/plain; charset=utf-8", "9_1.txt")


async def made(client: httpx.AsyncClient, gpu: GPUService, *outputs: Made) -> dict[str, Any]:
    gpu.makes = list(outputs)
    reply = await client.post("/generate", json={"mode": "free"})
    return await ended(client, reply.json()["task_id"])


async def test_every_output_is_listed(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task = await made(client, gpu, a_picture(), FILM, TEXT)
    here = f"/tasks/{task['task_id']}/outputs"
    assert task["outputs"] == [
        {"url": f"{here}/0", "content_type": "image/png", "size": len(picture())},
        {"url": f"{here}/1", "content_type": "video/mp4", "size": 256},
        {"url": f"{here}/2", "content_type": "text/plain; charset=utf-8", "size": 5},
    ]


@pytest.mark.parametrize("output", [a_picture(), FILM, TEXT], ids=lambda each: each.filename)
async def test_output_comes_back_as_it_was(
    gpu: GPUService, client: httpx.AsyncClient, output: Made
) -> None:
    task = await made(client, gpu, output)
    reply = await client.get(task["outputs"][0]["url"])
    assert (reply.status_code, reply.content) == (200, output.data)
    assert reply.headers["content-type"] == output.content_type
    assert reply.headers["content-length"] == str(len(output.data))


async def test_first_image_is_the_task_s_image(gpu: GPUService, client: httpx.AsyncClient) -> None:
    second = Made(picture(size=(9, 9)), "image/png", "b.png")
    task = await made(client, gpu, TEXT, FILM, a_picture(), second)
    assert task["image"] == base64_of(picture())


async def test_task_without_an_image_has_none(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task = await made(client, gpu, FILM, TEXT)
    assert (task["status"], task["image"], task["error"]) == ("done", None, None)


async def test_task_that_made_nothing_has_no_image(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    task = await made(client, gpu)
    assert (task["status"], task["image"], task["outputs"]) == ("done", None, [])


async def test_placeholder_is_an_output_of_its_own_type(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    reply = await client.post("/generate", json={"mode": "free"})
    task = await ended(client, reply.json()["task_id"])
    assert task["image"] == "dummy_base64_placeholder"
    [output] = task["outputs"]
    assert output["content_type"] == "text/x-placeholder"
    assert (await client.get(output["url"])).content == b"dummy_base64_placeholder"


@pytest.mark.parametrize("number", ["1", "99999999999999999999"])
async def test_number_that_is_not_there_is_404(
    gpu: GPUService, client: httpx.AsyncClient, number: str
) -> None:
    task = await made(client, gpu, a_picture())
    reply = await client.get(f"/tasks/{task['task_id']}/outputs/{number}")
    assert (reply.status_code, reply.json()["code"]) == (404, "output_not_found")
    assert "has 1 outputs" in reply.json()["detail"]


async def test_negative_number_is_404(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task = await made(client, gpu, a_picture())
    reply = await client.get(f"/tasks/{task['task_id']}/outputs/-1")
    assert (reply.status_code, reply.json()["code"]) == (404, "output_not_found")


async def test_number_that_is_none_is_422(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task = await made(client, gpu, a_picture())
    reply = await client.get(f"/tasks/{task['task_id']}/outputs/first")
    assert reply.status_code == 422


async def test_output_of_an_unknown_task_is_404(client: httpx.AsyncClient) -> None:
    reply = await client.get("/tasks/nope/outputs/0")
    assert (reply.status_code, reply.json()["code"]) == (404, "task_not_found")


async def test_file_that_is_gone_is_404(
    gpu: GPUService, client: httpx.AsyncClient, settings: Settings
) -> None:
    task = await made(client, gpu, a_picture())
    shutil.rmtree(settings.data_path / "outputs")
    reply = await client.get(task["outputs"][0]["url"])
    assert (reply.status_code, reply.json()["code"]) == (404, "output_not_found")
    assert "no longer where outputs are kept" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("wanted", "content", "told"),
    [
        ("bytes=0-9", FILM.data[:10], "bytes 0-9/256"),
        ("bytes=250-", FILM.data[250:], "bytes 250-255/256"),
        ("bytes=-6", FILM.data[250:], "bytes 250-255/256"),
        ("bytes=0-9999", FILM.data, "bytes 0-255/256"),
    ],
)
async def test_range_is_answered_with_that_part(
    gpu: GPUService, client: httpx.AsyncClient, wanted: str, content: bytes, told: str
) -> None:
    task = await made(client, gpu, FILM)
    reply = await client.get(task["outputs"][0]["url"], headers={"Range": wanted})
    assert (reply.status_code, reply.content) == (206, content)
    assert reply.headers["content-range"] == told


async def test_range_behind_the_end_is_416(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task = await made(client, gpu, FILM)
    reply = await client.get(task["outputs"][0]["url"], headers={"Range": "bytes=256-"})
    assert reply.status_code == 416


async def test_range_of_another_version_is_the_whole_file(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    task = await made(client, gpu, FILM)
    headers = {"Range": "bytes=0-9", "If-Range": '"another"'}
    reply = await client.get(task["outputs"][0]["url"], headers=headers)
    assert (reply.status_code, reply.content) == (200, FILM.data)


async def test_etag_is_the_same_every_time(gpu: GPUService, client: httpx.AsyncClient) -> None:
    task = await made(client, gpu, a_picture())
    replies = [await client.get(task["outputs"][0]["url"]) for _ in range(2)]
    assert replies[0].headers["etag"] == replies[1].headers["etag"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_who_has_the_file_gets_304_and_no_bytes(
    gpu: GPUService, client: httpx.AsyncClient, form: str
) -> None:
    task = await made(client, gpu, a_picture())
    url = task["outputs"][0]["url"]
    etag = (await client.get(url)).headers["etag"]
    reply = await client.get(url, headers={"If-None-Match": form.format(etag)})
    assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", etag)


async def test_who_has_the_file_gets_304_for_a_range_too(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    """RFC 9110, 13.2.2: If-None-Match comes before Range."""
    task = await made(client, gpu, a_picture())
    url = task["outputs"][0]["url"]
    headers = {"If-None-Match": (await client.get(url)).headers["etag"], "Range": "bytes=0-1"}
    assert (await client.get(url, headers=headers)).status_code == 304


@pytest.mark.parametrize("tag", ['"another"', "", "nonsense"])
async def test_who_has_another_file_gets_this_one(
    gpu: GPUService, client: httpx.AsyncClient, tag: str
) -> None:
    task = await made(client, gpu, a_picture())
    reply = await client.get(task["outputs"][0]["url"], headers={"If-None-Match": tag})
    assert (reply.status_code, reply.content) == (200, picture())


async def test_running_task_has_no_outputs_yet(gpu: GPUService, client: httpx.AsyncClient) -> None:
    gpu.holds()
    task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    reply = await client.get(f"/tasks/{task_id}/outputs/0")
    assert (reply.status_code, reply.json()["code"]) == (404, "output_not_found")


async def test_output_cannot_act_as_a_page_of_ours(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    task = await made(client, gpu, a_picture())
    headers = (await client.get(task["outputs"][0]["url"])).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"


async def test_output_in_an_s3_server_comes_back_as_it_was(
    gpu: GPUService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_s3() as s3:
        use_s3(monkeypatch, s3.url)
        gpu.router.route(host="127.0.0.1").pass_through()
        async with serving(settings, outputs_url=f"s3://{s3.new_bucket()}/prefix") as client:
            task = await made(client, gpu, a_picture(), FILM)
            reply = await client.get(task["outputs"][1]["url"], headers={"Range": "bytes=0-9"})
    assert task["image"] == base64_of(picture())
    assert (reply.status_code, reply.content) == (206, FILM.data[:10])
    assert not (settings.data_path / "outputs").exists()


async def test_file_is_shown_unless_a_download_is_asked_for(client: httpx.AsyncClient) -> None:
    task_id = (await client.post("/generate", json={"mode": "free"})).json()["task_id"]
    await ended(client, task_id)
    url = f"/tasks/{task_id}/outputs/0"
    assert "content-disposition" not in (await client.get(url)).headers
    named = (await client.get(f"{url}?download=true")).headers["content-disposition"]
    assert re.fullmatch(rf'attachment; filename="{task_id[:8]}-0-[0-9a-f]{{8}}\.\w+"', named)


async def test_options_for_images_reach_the_gpu_service(
    gpu: GPUService, client: httpx.AsyncClient
) -> None:
    options = {"format": "jpeg", "quality": 80, "keep_metadata": True}
    reply = await client.post("/generate", json={"mode": "free", "output": options})
    await ended(client, reply.json()["task_id"])
    sent = gpu.jobs[0].sent
    assert (sent["output_format"], sent["output_quality"], sent["keep_metadata"]) == (
        "jpeg",
        80,
        True,
    )


@pytest.mark.parametrize(
    "options", [{"format": "gif"}, {"quality": 0}, {"quality": 101}, {"sharpness": 1}, "jpeg"]
)
async def test_options_that_there_are_not_are_422(client: httpx.AsyncClient, options: Any) -> None:
    reply = await client.post("/generate", json={"mode": "free", "output": options})
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_error")
