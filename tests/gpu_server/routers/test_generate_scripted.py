"""`POST /generate` with ComfyUIs that do what neither recorded version does."""

from typing import Any

import httpx
import pytest
import respx

from tests.gpu_server.comfyui.scripted import FILE, ScriptedComfyUI
from tests.gpu_server.serving import NOBODY, picture, problem, running

IMAGE = {"2": {"images": [FILE]}}


@respx.mock
async def test_comfyui_that_ignores_our_id_is_followed_under_its_own() -> None:
    """0.3.30 does."""

    def own_id(_: dict[str, Any]) -> httpx.Response:
        comfyui.finish("theirs", IMAGE)
        return comfyui.accept({"prompt_id": "theirs"})

    comfyui = ScriptedComfyUI(respx.mock, NOBODY, own_id)
    async with running(NOBODY) as service:
        picture(await service.generate("selftest"))
    assert "theirs" in comfyui.looked_for
    assert len(comfyui.submissions) == 1


@respx.mock
async def test_submission_whose_answer_is_lost_is_looked_for_and_not_sent_again() -> None:
    """Protocol: it is not deduplicated, and would run twice."""

    def lost_answer(body: dict[str, Any]) -> httpx.Response:
        comfyui.finish(body["prompt_id"], IMAGE)
        raise httpx.ReadTimeout("no answer")

    comfyui = ScriptedComfyUI(respx.mock, NOBODY, lost_answer)
    async with running(NOBODY) as service:
        picture(await service.generate("selftest"))
    assert len(comfyui.submissions) == 1


@respx.mock
async def test_submission_that_never_arrived_is_unavailable() -> None:
    def never_arrived(_: dict[str, Any]) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    ScriptedComfyUI(respx.mock, NOBODY, never_arrived)
    async with running(NOBODY) as service:
        problem(await service.generate("selftest"), 503, "comfyui_unavailable")


@respx.mock
async def test_run_without_a_file_has_failed_and_says_what_to_do() -> None:
    no_file = {"2": {"images": [{"subfolder": ""}], "animated": [False]}, "3": {}}

    def no_files(body: dict[str, Any]) -> httpx.Response:
        comfyui.finish(body["prompt_id"], no_file)
        return comfyui.accept(body)

    comfyui = ScriptedComfyUI(respx.mock, NOBODY, no_files)
    async with running(NOBODY) as service:
        reply = await service.generate("selftest")
    assert reply.status_code == 200, reply.text
    assert (reply.json()["status"], reply.json()["image"]) == ("failed", None)
    assert "Save Image" in reply.json()["error"]


@respx.mock
async def test_file_is_found_under_whatever_key() -> None:
    """Protocol: any list of objects with a `filename`."""

    def under_another_key(body: dict[str, Any]) -> httpx.Response:
        comfyui.finish(body["prompt_id"], {"2": {"animated": [False], "some_new_key": [FILE]}})
        return comfyui.accept(body)

    comfyui = ScriptedComfyUI(respx.mock, NOBODY, under_another_key)
    async with running(NOBODY) as service:
        picture(await service.generate("selftest"))


@pytest.mark.parametrize("status", [404, 405, 500, 502])
@respx.mock
async def test_what_is_no_comfyui_is_a_bad_gateway(status: int) -> None:
    """COMFYUI_API_URL leads to some other server, or to one in trouble."""
    ScriptedComfyUI(respx.mock, NOBODY, lambda _: httpx.Response(status, text="<html>"))
    async with running(NOBODY) as service:
        document = problem(await service.generate("selftest"), 502, "comfyui_error")
    assert str(status) in document["detail"]


@pytest.mark.parametrize("body", ['{"error": "no"}', "<html>", "[]", "null", '{"error": {}}'])
@respx.mock
async def test_refusal_that_gives_no_reason_is_a_bad_gateway_or_a_bad_workflow(body: str) -> None:
    ScriptedComfyUI(respx.mock, NOBODY, lambda _: httpx.Response(400, text=body))
    async with running(NOBODY) as service:
        reply = await service.generate("selftest")
    assert reply.status_code in (409, 502), reply.text
