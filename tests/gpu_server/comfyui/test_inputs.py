"""Images that clients send: decoded, checked, and put among ComfyUI's inputs."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.graphs import INVERTED, drop_in
from tests.gpu_server.jobs import Jobs, jobs_on, new_id
from tests.gpu_server.pictures import base64_of, decoded, drawn, encoded
from tests.gpu_server.serving import problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROTATED_BY_90 = 6
RED, CYAN, YELLOW = (255, 0, 0), (0, 255, 255), (255, 255, 0)


@pytest.fixture
def inverting(workflows: Path) -> Path:
    """A folder with a workflow that inverts an image."""
    drop_in(workflows, "inverted", INVERTED)
    return workflows


async def inverted(jobs: Jobs, image: str) -> Image.Image:
    [file] = await jobs.files(await jobs.start("inverted", {"image": image}))
    return decoded(file).convert("RGB")


def with_line_breaks(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def as_data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64_of(data)}"


@pytest.mark.parametrize("spelled", [base64_of, as_data_url, with_line_breaks])
async def test_image_is_taken_in_base64_or_as_a_data_url(
    each_idle_fake: FakeComfyUI, inverting: Path, spelled: Callable[[bytes], str]
) -> None:
    async with jobs_on(each_idle_fake.url, workflows_path=inverting) as jobs:
        image = await inverted(jobs, spelled(encoded(drawn())))
    assert (image.size, image.getpixel((0, 0)), image.getpixel((5, 5))) == ((16, 8), YELLOW, CYAN)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_png_jpeg_and_webp_are_taken_as_they_are(
    idle_fake: FakeComfyUI, inverting: Path, kind: str
) -> None:
    data = encoded(drawn((16, 16)), kind)
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        image = await inverted(jobs, base64_of(data))
    assert image.size == (16, 16)
    [upload] = idle_fake.uploads
    stored = idle_fake.files.folder("input") / upload.subfolder / upload.filename
    assert stored.read_bytes() == data
    assert stored.suffix == {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}[kind]


async def test_image_that_its_exif_turns_is_turned(idle_fake: FakeComfyUI, inverting: Path) -> None:
    """ComfyUI's loaders differ in whether they do."""
    exif = Image.Exif()
    exif[0x0112] = ROTATED_BY_90
    data = encoded(drawn((16, 8)), "PNG", exif=exif)
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        image = await inverted(jobs, base64_of(data))
    assert image.size == (8, 16)
    assert image.getpixel((7, 0)) == YELLOW


async def test_image_is_uploaded_under_a_name_of_ours(
    idle_fake: FakeComfyUI, inverting: Path
) -> None:
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        await inverted(jobs, base64_of(encoded(drawn())))
    [upload] = idle_fake.uploads
    assert upload.subfolder == "gateway"
    taken = idle_fake.prompts[0].graph["1"]["inputs"]["image"]
    assert taken == f"gateway/{upload.filename}"


async def test_same_content_is_uploaded_once(idle_fake: FakeComfyUI, inverting: Path) -> None:
    data = encoded(drawn())
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        await inverted(jobs, base64_of(data))
        await inverted(jobs, as_data_url(data))
        assert len(idle_fake.uploads) == 1
        await inverted(jobs, base64_of(encoded(drawn(color=CYAN))))
    assert len(idle_fake.uploads) == 2


async def test_same_content_at_once_is_uploaded_once(
    idle_fake: FakeComfyUI, inverting: Path
) -> None:
    data = base64_of(encoded(drawn()))
    async with jobs_on(idle_fake.url, workflows_path=inverting, max_concurrent_tasks=4) as jobs:
        ids = [await jobs.start("inverted", {"image": data}) for _ in range(4)]
        for job_id in ids:
            await jobs.done(job_id)
    assert len(idle_fake.uploads) == 1


async def test_image_is_uploaded_anew_after_comfyui_restarted(
    idle_fake: FakeComfyUI, inverting: Path
) -> None:
    """It may be another one, with other files."""
    data = base64_of(encoded(drawn()))
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        await inverted(jobs, data)
        await idle_fake.restart()
        await idle_fake.until(lambda: idle_fake.open_sockets == 0)
        await idle_fake.until(lambda: idle_fake.open_sockets == 1)
        await inverted(jobs, data)
    assert len(idle_fake.uploads) == 2


async def test_job_that_is_run_again_brings_its_image_again(
    idle_fake: FakeComfyUI, inverting: Path
) -> None:
    idle_fake.faults.set("restart", count=1)
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        await inverted(jobs, base64_of(encoded(drawn())))
    assert len(idle_fake.uploads) == 2


def huge_header() -> bytes:
    """A small PNG that says it has 60 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 10_000, 6_000, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(10_001 * 100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def cut_short() -> bytes:
    data = encoded(drawn((200, 200)))
    return data[: len(data) // 2]


def gif() -> bytes:
    return encoded(drawn().convert("P"), "GIF")


WRONG = {
    "no base64": ("!!!", "not base64"),
    "no image": (base64_of(b"hello"), "PNG, JPEG or WebP"),
    "nothing": ("", "PNG, JPEG or WebP"),
    "data URL of nothing": ("data:image/png;base64,", "PNG, JPEG or WebP"),
    "cut short": (base64_of(cut_short()), "PNG, JPEG or WebP"),
    "another format": (base64_of(gif()), "PNG, JPEG or WebP"),
    "a path": ("../../etc/passwd", "not base64"),
    "too many pixels": (base64_of(huge_header()), "MAX_IMAGE_MEGAPIXELS"),
    "half a character": ("\ud800", "not base64"),
}


@pytest.mark.parametrize(("image", "says"), WRONG.values(), ids=WRONG)
async def test_what_is_no_image_is_422_and_names_the_parameter(
    idle_fake: FakeComfyUI, inverting: Path, image: str, says: str
) -> None:
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        reply = await jobs.http.put(
            f"/jobs/{new_id()}",
            content=(b'{"workflow": "inverted", "params": {"image": ' + ascii_json(image) + b"}}"),
            headers={"Content-Type": "application/json"},
        )
        document = problem(reply, 422, "invalid_parameter")
    assert document["parameter"] == "image"
    assert says in document["detail"]
    assert (idle_fake.uploads, idle_fake.prompts) == ([], [])


def ascii_json(text: str) -> bytes:
    return ('"' + text.encode("ascii", "backslashreplace").decode() + '"').encode()


async def test_pixels_are_bounded_by_the_setting(idle_fake: FakeComfyUI, inverting: Path) -> None:
    image = io.BytesIO()
    Image.new("1", (1200, 1000)).save(image, "PNG")
    async with jobs_on(idle_fake.url, workflows_path=inverting, max_image_megapixels=1) as jobs:
        reply = await jobs.put(new_id(), "inverted", {"image": base64_of(image.getvalue())})
    assert "1200x1000" in problem(reply, 422, "invalid_parameter")["detail"]


async def test_job_tells_an_image_by_its_name(idle_fake: FakeComfyUI, inverting: Path) -> None:
    """Whoever sent it has it."""
    data = base64_of(encoded(drawn((200, 200))))
    async with jobs_on(idle_fake.url, workflows_path=inverting) as jobs:
        job = await jobs.done(await jobs.start("inverted", {"image": data}))
    assert len(job["values"]["image"]) < 100


async def test_several_images_are_each_put_in_their_place(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    graph = {}
    for number, title in (("1", "$left"), ("4", "$right")):
        graph[number] = {**INVERTED["1"], "_meta": {"title": title}}
        graph[f"{number}s"] = {"class_type": "SaveImage", "inputs": {"images": [number, 0]}}
        graph[f"{number}s"]["inputs"]["filename_prefix"] = "x"
    drop_in(workflows, "pair", graph)
    images = {"left": drawn(color=RED), "right": drawn(color=CYAN)}
    params = {name: base64_of(encoded(image)) for name, image in images.items()}
    async with jobs_on(idle_fake.url, workflows_path=workflows) as jobs:
        files = await jobs.files(await jobs.start("pair", params))
    assert [decoded(file).getpixel((5, 5)) for file in files] == [RED, CYAN]
