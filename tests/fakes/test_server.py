"""The server around the prompts: origins, reconnecting, controls, the command line."""

import asyncio
import io
import signal
import sys

import pytest
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests import plain_http
from tests.fake_comfyui.running import running_fake
from tests.fakes.client import DIRECT, SECONDS, fresh, listening
from tests.fakes.graphs import image_graph, sampling_graph


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.example", 403), ("http://127.0.0.1:1", 403), ("http://127.0.0.1", 200)],
)
async def test_foreign_origin_is_refused(origin: str, status: int) -> None:
    async with fresh() as client:
        answer = await client.http.get("/queue", headers={"Origin": origin})
        assert answer.status_code == status


async def test_foreign_origin_is_refused_on_the_socket() -> None:
    async with fresh() as client:
        url = client.fake.url.replace("http", "ws", 1) + "/ws"
        headers = {"Origin": "http://evil.example"}
        with pytest.raises(InvalidStatus):
            async with connect(url, additional_headers=headers, **DIRECT):
                pass


async def test_every_path_has_an_api_alias() -> None:
    async with fresh() as client:
        for path in ("/system_stats", "/queue", "/object_info/KSampler", "/models/checkpoints"):
            plain, alias = await client.http.get(path), await client.http.get(f"/api{path}")
            assert alias.json() == plain.json()


async def test_all_node_classes_are_listed_at_once() -> None:
    async with fresh() as client:
        everything = (await client.http.get("/object_info")).json()
        one = (await client.http.get("/object_info/KSampler")).json()
        assert everything["KSampler"] == one["KSampler"]


async def test_unknown_model_folder_is_not_found() -> None:
    async with fresh(models=("a.safetensors", "b.safetensors")) as client:
        assert (await client.http.get("/models/nope")).status_code == 404
        answer = await client.http.get("/models/checkpoints")
        assert answer.json() == ["a.safetensors", "b.safetensors"]


async def test_reconnected_client_is_told_the_running_node() -> None:
    async with fresh(faults=["hang"]) as client:
        await client.submit(sampling_graph())
        await client.until(lambda: client.fake.hub.current_node == "3")
        async with listening(client.fake, "tester") as listener:
            await client.until(lambda: listener.of_type("executing") == [{"node": "3"}])


async def test_late_leaver_takes_the_newer_socket_of_its_id_along() -> None:
    async with fresh() as client, listening(client.fake, "tester") as newer:
        async with listening(client.fake, "tester") as newest:
            await newer.socket.close()
            await client.until(lambda: client.fake.open_sockets == 1)
            await client.run(image_graph())
            await client.http.get("/queue")
        assert newest.types() == ["status"]


@pytest.mark.parametrize("name", ["Bild mit Größe.png", 'a "quoted".png'])
async def test_upload_keeps_the_content_and_the_name_as_sent(name: str) -> None:
    content = bytes(range(256)) + b"\r\n--\r\n\r\n"
    async with fresh() as client:
        answer = await client.http.post("/upload/image", files={"image": (name, content)})
        path = client.fake.files.annotated(answer.json()["name"])
        assert path.read_bytes() == content
        assert "%" in answer.json()["name"] or answer.json()["name"] == name


async def test_same_picture_uploaded_as_a_mask_keeps_the_original_and_its_alpha() -> None:
    async with fresh() as client:
        await client.upload("a.png", Image.new("RGB", (8, 8), (9, 9, 9)))
        buffer = io.BytesIO()
        Image.new("RGBA", (8, 8), (0, 0, 0, 77)).save(buffer, format="PNG")
        fields = {"original_ref": '{"filename": "a.png", "type": "input"}', "type": "input"}
        files = {"image": ("masked.png", buffer.getvalue(), "image/png")}
        answer = await client.http.post("/upload/mask", files=files, data=fields)
        assert answer.json()["name"] == "masked.png"
        with Image.open(client.fake.files.annotated("masked.png")) as image:
            assert image.getpixel((0, 0)) == (9, 9, 9, 77)


@pytest.mark.parametrize(
    ("params", "media_type", "mode"),
    [
        ({"preview": "webp;80"}, "image/webp", "RGB"),
        ({"preview": "jpeg"}, "image/jpeg", "RGB"),
        ({"channel": "rgb"}, "image/png", "RGB"),
        ({"channel": "a"}, "image/png", "RGBA"),
    ],
)
async def test_view_converts(params: dict[str, str], media_type: str, mode: str) -> None:
    async with fresh() as client:
        named = {"filename": "example.png", "type": "input"}
        answer = await client.http.get("/view", params={**named, **params})
        assert answer.headers["content-type"] == media_type
        with Image.open(io.BytesIO(answer.content)) as image:
            assert image.mode == mode


async def test_requests_prompts_and_uploads_are_kept_for_the_test() -> None:
    async with fresh() as client:
        await client.upload("a.png", Image.new("RGB", (8, 8)), subfolder="s")
        prompt_id = (await client.run(image_graph()))["prompt"][1]
        fake = client.fake
        (request,) = fake.requests_to("POST", "/prompt")
        assert request.json["prompt_id"] == prompt_id
        assert [(one.prompt_id, one.accepted) for one in fake.prompts] == [(prompt_id, True)]
        assert [one.as_json() for one in fake.uploads] == [
            {"filename": "a.png", "subfolder": "s", "type": "input"}
        ]
        assert fake.executed_nodes == [(prompt_id, "1"), (prompt_id, "2")]


async def test_faults_are_set_and_shown_over_http() -> None:
    async with fresh(faults=["hang"]) as client:
        body = {"clear": "all", "set": ["oom:once", "slow_view=2"]}
        answer = await client.http.post("/fake/faults", json=body)
        state = (await client.http.get("/fake/state")).json()
        assert answer.json()["faults"] == state["faults"]
        assert [one["fault"] for one in state["faults"]] == ["oom", "slow_view"]
        assert state["requests"] == []
        answer = await client.http.post("/fake/faults", json={"set": ["nope"]})
        assert answer.status_code == 400


async def test_stopped_fake_takes_its_folder_along() -> None:
    async with running_fake() as fake:
        root = fake.files.root
        assert root.is_dir()
    assert not root.exists()


async def test_fake_stops_in_the_middle_of_a_job_and_with_an_open_socket() -> None:
    async with fresh(faults=["hang_deaf"]) as client:
        await client.submit(image_graph())
        await client.until(lambda: client.fake.queue.running is not None)
        async with connect(client.fake.url.replace("http", "ws", 1) + "/ws", **DIRECT):
            pass


async def test_command_line_announces_its_address_and_ends_on_sigterm() -> None:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fake_comfyui", "--port", "0", "--version", "0.3.64"),
        *("--models", "mine.safetensors", "--fault", "oom:once"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    line = (await asyncio.wait_for(program.stdout.readline(), 10)).decode().strip()
    announced, _, url = line.rpartition(" ")
    try:
        async with plain_http.AsyncClient(base_url=url, timeout=SECONDS) as http:
            stats = (await http.get("/system_stats")).json()
            models = (await http.get("/models/checkpoints")).json()
            state = (await http.get("/fake/state")).json()
    finally:
        program.terminate()
        await asyncio.wait_for(program.communicate(), 10)
    assert announced == "fake ComfyUI listening on"
    assert stats["system"]["comfyui_version"] == "0.3.64"
    assert models == ["mine.safetensors"]
    assert state["faults"] == [{"fault": "oom", "count": 1, "value": None}]
    assert program.returncode in (0, -signal.SIGTERM)
