"""Images sent ahead of the requests that use them."""

import asyncio
import base64
import io
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import httpx
import pytest
from PIL import Image

from backend.clients.guard import Guard
from backend.clients.image_fetcher import ImageFetcher
from backend.errors import InvalidInput, StorageFull
from backend.services.images import ImageCheck
from backend.services.room import Room
from backend.services.uploads import AT_ONCE, FOLDER, PREFIX, UploadService
from backend.store.outputs.local import LocalOutputStore
from tests.conditions import eventually


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def outputs(tmp_path: Path) -> LocalOutputStore:
    return LocalOutputStore(tmp_path / "data" / "outputs")


@pytest.fixture
def uploads(outputs: LocalOutputStore) -> UploadService:
    return UploadService(outputs, ImageCheck(max_megabytes=1, max_megapixels=1))


async def test_an_upload_stands_for_its_base64(uploads: UploadService) -> None:
    name = await uploads.take(png())
    assert await uploads.put_in([("image", name)]) == [base64.b64encode(png()).decode()]


async def test_the_same_image_is_the_same_upload(uploads: UploadService) -> None:
    assert await uploads.take(png()) == await uploads.take(png())


async def test_an_image_that_is_sent_again_is_kept_longer(
    uploads: UploadService, outputs: LocalOutputStore, tmp_path: Path
) -> None:
    name = await uploads.take(png())
    file = tmp_path / "data" / "outputs" / FOLDER / name.removeprefix(PREFIX)
    os.utime(file, (0, 0))
    await uploads.take(png())
    await outputs.remove_untouched(FOLDER, time.time() - 60)
    assert await uploads.put_in([("image", name)]) == [base64.b64encode(png()).decode()]


async def test_a_full_disk_refuses_it(outputs: LocalOutputStore, tmp_path: Path) -> None:
    """What is kept free is for the tasks that are in."""
    check = ImageCheck(max_megabytes=1, max_megapixels=1)
    uploads = UploadService(outputs, check, Room(tmp_path, 1, free=lambda _: 0))
    with pytest.raises(StorageFull):
        await uploads.take(png())
    assert not (tmp_path / "data" / "outputs").exists()


async def test_other_images_are_other_uploads(uploads: UploadService) -> None:
    assert await uploads.take(png("red")) != await uploads.take(png("blue"))


async def test_what_is_no_image_is_refused_and_not_kept(
    uploads: UploadService, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="no PNG, JPEG or WebP"):
        await uploads.take(b"not an image")
    assert not (tmp_path / "data" / "outputs" / "uploads").exists()


async def test_a_value_that_is_no_reference_stays(uploads: UploadService) -> None:
    assert await uploads.put_in([("image", "aGVsbG8=")]) == ["aGVsbG8="]


@pytest.mark.parametrize("reference", ["upload:" + "0" * 64, "upload:../../tasks", "upload:"])
async def test_a_reference_to_nothing_names_the_field_and_the_way_out(
    uploads: UploadService, reference: str
) -> None:
    with pytest.raises(InvalidInput, match=r"face_images.*POST /uploads") as raised:
        await uploads.put_in([("face_images[0]", reference)])
    assert raised.value.extra["parameter"] == "face_images[0]"


# images that are fetched

HOST = "https://pictures.example"


class Pictures(httpx.AsyncBaseTransport):
    """A server out there, which answers as the test says."""

    def __init__(self, answer: Callable[[str], Awaitable[bytes]]) -> None:
        self.asked: list[str] = []
        self.under_way: set[str] = set()
        self.most_at_once = 0
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        self.under_way.add(path)
        self.most_at_once = max(self.most_at_once, len(self.under_way))
        try:
            return httpx.Response(200, stream=httpx.ByteStream(await self._answer(path)))
        finally:
            self.under_way.discard(path)


def fetching(outputs: LocalOutputStore, pictures: Pictures, seconds: float = 20) -> UploadService:
    """Uploads beside URLs of that server."""
    http = httpx.AsyncClient(transport=pictures)
    fetcher = ImageFetcher(http, Guard(""), 1024, seconds)
    return UploadService(outputs, ImageCheck(1, 1), fetcher=fetcher)


def asked_for(number: int) -> list[tuple[str, str]]:
    """So many images, each by its URL."""
    return [(f"image_{each}", f"{HOST}/{each}") for each in range(number)]


async def never(path: str) -> bytes:
    await asyncio.Event().wait()
    return b""


async def test_images_are_fetched_some_at_the_same_time_and_stay_in_order(
    outputs: LocalOutputStore,
) -> None:
    enough = asyncio.Event()

    async def once_all_are_asked(path: str) -> bytes:
        await enough.wait()
        return path.encode()

    pictures = Pictures(once_all_are_asked)
    uploads = fetching(outputs, pictures)
    putting = asyncio.create_task(uploads.put_in([*asked_for(AT_ONCE + 2), ("mask", "aGVsbG8=")]))
    await eventually(lambda: len(pictures.asked) == AT_ONCE)
    enough.set()
    files = [base64.b64encode(f"/{each}".encode()).decode() for each in range(AT_ONCE + 2)]
    assert await putting == [*files, "aGVsbG8="]
    assert pictures.most_at_once == AT_ONCE


async def test_first_image_that_fails_ends_the_others(outputs: LocalOutputStore) -> None:
    async def fails(path: str) -> bytes:
        return b"x" * 2000 if path == "/1" else await never(path)

    pictures = Pictures(fails)
    with anyio.fail_after(5), pytest.raises(InvalidInput, match="larger than") as raised:
        await fetching(outputs, pictures).put_in(asked_for(AT_ONCE + 2))
    assert raised.value.extra["parameter"] == "image_1"
    assert pictures.under_way == set()
    assert f"/{AT_ONCE + 1}" not in pictures.asked


async def test_images_have_one_time_together(outputs: LocalOutputStore) -> None:
    """Each would be in time by itself: those that wait for their turn are not."""

    async def slow(path: str) -> bytes:
        await anyio.sleep(0.2)
        return b""

    pictures = Pictures(slow)
    with pytest.raises(InvalidInput, match=r"took more than 0\.3 s"):
        await fetching(outputs, pictures, seconds=0.3).put_in(asked_for(AT_ONCE + 1))
    assert len(pictures.asked) == AT_ONCE + 1


async def test_request_that_is_given_up_fetches_no_more(outputs: LocalOutputStore) -> None:
    pictures = Pictures(never)
    putting = asyncio.create_task(fetching(outputs, pictures).put_in(asked_for(2)))
    await eventually(lambda: len(pictures.under_way) == 2)
    putting.cancel()
    await asyncio.wait([putting])
    assert pictures.under_way == set()
