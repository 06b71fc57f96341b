"""Images sent ahead of the requests that use them."""

import base64
import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from backend.errors import InvalidInput, StorageFull
from backend.services.images import ImageCheck
from backend.services.room import Room
from backend.services.uploads import FOLDER, PREFIX, UploadService
from backend.store.outputs.local import LocalOutputStore


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
    assert await uploads.put_in("image", name) == base64.b64encode(png()).decode()


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
    assert await uploads.put_in("image", name) == base64.b64encode(png()).decode()


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
    assert await uploads.put_in("image", "aGVsbG8=") == "aGVsbG8="


@pytest.mark.parametrize("reference", ["upload:" + "0" * 64, "upload:../../tasks", "upload:"])
async def test_a_reference_to_nothing_names_the_field_and_the_way_out(
    uploads: UploadService, reference: str
) -> None:
    with pytest.raises(InvalidInput, match=r"face_images.*POST /uploads") as raised:
        await uploads.put_in("face_images[0]", reference)
    assert raised.value.extra["parameter"] == "face_images[0]"
