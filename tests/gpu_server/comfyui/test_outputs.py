"""What a job made: all files of all output nodes."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from PIL import Image

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.comfyui.scripted import FILE, PIXEL, ScriptedComfyUI
from tests.gpu_server.graphs import Graph, canvas, drop_in, saving
from tests.gpu_server.jobs import Jobs, jobs_of, jobs_on
from tests.gpu_server.pictures import decoded
from tests.gpu_server.serving import NOBODY, picture, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

RED, BLUE = 0xFF0000, 0x0000FF
TWO_NODES: Graph = {
    "1": canvas(color=RED),
    "2": saving("1"),
    "3": canvas(color=BLUE, batch_size=3),
    "4": saving("3"),
}
SAMPLED_TO_SOCKET = "sampled_to_socket"


def colors(files: list[bytes]) -> list[Any]:
    return [decoded(file).convert("RGB").getpixel((0, 0)) for file in files]


async def test_every_file_of_every_output_node_is_there_in_order(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    drop_in(workflows, "two", TWO_NODES)
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        job_id = await jobs.start("two")
        files = await jobs.files(job_id)
        job = await jobs.get(job_id)
    assert colors(files) == [(255, 0, 0)] + [(0, 0, 255)] * 3
    assert [output["node_id"] for output in job["outputs"]] == ["2", "4", "4", "4"]
    assert [output["number"] for output in job["outputs"]] == [0, 1, 2, 3]
    names = [output["filename"] for output in job["outputs"]]
    assert names[1:] == sorted(names[1:])


async def test_author_may_choose_the_output_nodes(idle_fake: FakeComfyUI, workflows: Path) -> None:
    drop_in(workflows, "two", TWO_NODES, output="2")
    async with jobs_on(idle_fake.url, workflows_path=workflows) as jobs:
        assert colors(await jobs.files(await jobs.start("two"))) == [(255, 0, 0)]


async def test_images_sent_through_the_socket_are_there(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    drop_in(workflows, "socket", {"1": canvas(color=RED), "2": saving("1", "SaveImageWebsocket")})
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        job_id = await jobs.start("socket")
        assert colors(await jobs.files(job_id)) == [(255, 0, 0)]
        [output] = (await jobs.get(job_id))["outputs"]
    assert (output["node_id"], output["content_type"]) == ("2", "image/png")


async def test_batch_sent_through_the_socket_is_complete(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    graph = {"1": canvas(batch_size=3), "2": saving("1", "SaveImageWebsocket")}
    drop_in(workflows, "socket", graph)
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        assert len(await jobs.files(await jobs.start("socket"))) == 3


async def test_previews_of_a_sampler_pass_for_no_images_of_the_socket(
    each_idle_fake: FakeComfyUI, workflows: Path
) -> None:
    graph = json.loads((workflows / "free_generation.json").read_text())
    [save] = [node for node, each in graph.items() if each["class_type"] == "SaveImage"]
    graph[save] = saving(graph[save]["inputs"]["images"][0], "SaveImageWebsocket")
    drop_in(workflows, SAMPLED_TO_SOCKET, graph)
    params = {"width": 64, "height": 64, "steps": 4}
    each_idle_fake.faults.set("previews")
    async with jobs_on(each_idle_fake.url, workflows_path=workflows) as jobs:
        files = await jobs.files(await jobs.start(SAMPLED_TO_SOCKET, params))
    assert [decoded(file).format for file in files] == ["PNG"]


@pytest.mark.parametrize("fault", ["drop_ws", "freeze_ws"])
async def test_image_that_was_lost_with_the_socket_is_made_again(
    idle_fake: FakeComfyUI, workflows: Path, fault: str
) -> None:
    drop_in(workflows, "socket", {"1": canvas(color=RED), "2": saving("1", "SaveImageWebsocket")})
    idle_fake.faults.set(fault, count=1)
    async with jobs_on(idle_fake.url, workflows_path=workflows) as jobs:
        assert colors(await jobs.files(await jobs.start("socket"))) == [(255, 0, 0)]
    assert len(idle_fake.executed_prompts) == 2


async def test_temporary_preview_is_left_out_where_there_is_a_file(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    graph = {
        "1": canvas(color=RED),
        "2": saving("1", "PreviewImage"),
        "3": canvas(color=BLUE),
        "4": saving("3"),
    }
    drop_in(workflows, "both", graph)
    async with jobs_on(idle_fake.url, workflows_path=workflows) as jobs:
        assert colors(await jobs.files(await jobs.start("both"))) == [(0, 0, 255)]


async def test_temporary_preview_is_there_where_there_is_nothing_else(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    drop_in(workflows, "preview", {"1": canvas(color=RED), "2": saving("1", "PreviewImage")})
    async with jobs_on(idle_fake.url, workflows_path=workflows) as jobs:
        assert colors(await jobs.files(await jobs.start("preview"))) == [(255, 0, 0)]


async def embedded(jobs: Jobs, **options: Any) -> set[str]:
    """The names of the texts in the image that a job makes."""
    [file] = await jobs.files(await jobs.start(**options))
    with Image.open(io.BytesIO(file)) as image:
        image.load()
        return set(image.info)


async def test_comfyui_s_prompt_does_not_leave_with_the_image(
    each_idle_fake: FakeComfyUI,
) -> None:
    """Design §10."""
    async with jobs_on(each_idle_fake.url) as jobs:
        assert "prompt" not in await embedded(jobs)


async def test_comfyui_s_prompt_is_kept_for_who_asks(each_idle_fake: FakeComfyUI) -> None:
    async with jobs_on(each_idle_fake.url) as jobs:
        assert "prompt" in await embedded(jobs, keep_metadata=True)


async def test_image_is_made_what_the_caller_wants(each_idle_fake: FakeComfyUI) -> None:
    async with jobs_on(each_idle_fake.url) as jobs:
        job_id = await jobs.start(output_format="webp", output_quality=70)
        [file] = await jobs.files(job_id)
        [told] = (await jobs.get(job_id))["outputs"]
    assert (decoded(file).format, decoded(file).size) == ("WEBP", (64, 64))
    assert (told["content_type"], told["size"]) == ("image/webp", len(file))
    assert told["filename"].endswith(".webp")


async def test_blocking_call_s_image_has_no_prompt_either(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        reply = await service.generate("selftest")
    assert "prompt" not in picture(reply).info


async def test_file_that_comes_broken_is_fetched_again(each_idle_fake: FakeComfyUI) -> None:
    each_idle_fake.faults.set("corrupt_image", count=1)
    async with jobs_on(each_idle_fake.url) as jobs:
        [file] = await jobs.files(await jobs.start())
    assert decoded(file).size == (64, 64)
    assert len(each_idle_fake.requests_to("GET", "/view")) == 2


async def test_file_that_stays_broken_is_an_error_that_says_so(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("corrupt_image")
    async with jobs_on(each_idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_output_broken")
    assert "cut short" in error["detail"]
    assert error["retryable"] is True


async def test_file_that_comfyui_does_not_hand_out_is_an_error_that_says_so(
    each_idle_fake: FakeComfyUI,
) -> None:
    each_idle_fake.faults.set("view_404")
    async with jobs_on(each_idle_fake.url) as jobs:
        error = await jobs.failed(await jobs.start(), "comfyui_output_broken")
    assert "404" in error["detail"]


async def test_file_that_comes_slowly_comes(idle_fake: FakeComfyUI) -> None:
    idle_fake.faults.set("slow_view", value=0.3)
    async with jobs_on(idle_fake.url) as jobs:
        assert len(await jobs.files(await jobs.start())) == 1


MP4 = b"\x00\x00\x00\x18ftypmp42"


def ended_with(router: respx.Router, outputs: dict[str, Any]) -> ScriptedComfyUI:
    """A ComfyUI whose history has these outputs for whatever it is sent."""

    def accept(body: dict[str, Any]) -> httpx.Response:
        comfyui.finish(body["prompt_id"], outputs)
        return comfyui.accept(body)

    comfyui = ScriptedComfyUI(router, NOBODY, accept)
    return comfyui


@pytest.mark.parametrize("key", ["gifs", "video", "audio", "3d", "files", "a_new_one"])
@respx.mock
async def test_file_is_found_under_whatever_key(key: str) -> None:
    """VideoHelperSuite calls its videos `gifs`."""
    video = {"filename": "a.mp4", "subfolder": "x", "type": "output", "format": "video/h264-mp4"}
    ended_with(respx.mock, {"2": {key: [video], "animated": [True]}})
    respx.get(url__startswith=f"{NOBODY}/view").respond(content=MP4)
    async with running(NOBODY) as service:
        jobs = jobs_of(service)
        job_id = await jobs.start("selftest")
        [file] = await jobs.files(job_id)
        [output] = (await jobs.get(job_id))["outputs"]
    assert file == MP4
    assert (output["filename"], output["content_type"]) == ("a.mp4", "video/mp4")


@respx.mock
async def test_images_go_before_files_of_other_kinds() -> None:
    video = {"filename": "a.mp4", "subfolder": "", "type": "output"}
    ended_with(respx.mock, {"1": {"gifs": [video]}, "2": {"images": [FILE], "text": ["a cat"]}})

    def view(request: httpx.Request) -> httpx.Response:
        is_video = request.url.params["filename"] == "a.mp4"
        return httpx.Response(200, content=MP4 if is_video else PIXEL)

    respx.get(url__startswith=f"{NOBODY}/view").mock(side_effect=view)
    async with running(NOBODY) as service:
        job = await jobs_of(service).done(await jobs_of(service).start("selftest"))
    assert [output["content_type"] for output in job["outputs"]] == [
        "image/png",
        "video/mp4",
        "text/plain; charset=utf-8",
    ]


@pytest.mark.parametrize("shown", [{"text": ["a cat", "a dog"]}, {"string": "a cat"}], ids=str)
@respx.mock
async def test_texts_are_outputs(shown: dict[str, Any]) -> None:
    ended_with(respx.mock, {"2": shown})
    async with running(NOBODY) as service:
        files = await jobs_of(service).files(await jobs_of(service).start("selftest"))
    [said] = shown.values()
    assert [file.decode() for file in files] == ([said] if isinstance(said, str) else said)


@respx.mock
async def test_text_passes_for_no_image_in_the_blocking_call() -> None:
    ended_with(respx.mock, {"2": {"text": ["a cat"]}})
    async with running(NOBODY) as service:
        reply = await service.generate("selftest")
    assert (reply.json()["status"], reply.json()["image"]) == ("failed", None)
    assert "no image" in reply.json()["error"]


ODD: list[Any] = [{}, {"2": None}, {"2": {}}, {"2": {"images": None}}, {"2": {"images": [7, {}]}}]


@pytest.mark.parametrize("outputs", [None, *ODD], ids=str)
@respx.mock
async def test_run_that_made_nothing_has_failed_and_says_what_to_do(outputs: Any) -> None:
    ended_with(respx.mock, outputs)
    async with running(NOBODY) as service:
        jobs = jobs_of(service)
        error = await jobs.failed(await jobs.start("selftest"), "comfyui_execution_failed")
    assert "Save Image" in error["detail"]
