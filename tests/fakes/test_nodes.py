"""The node classes make pictures of the right size and content."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngImageFile

from tests.fake_comfyui.catalog import Catalog
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.nodes import NODES
from tests.fake_comfyui.options import FakeOptions, Version
from tests.fakes.client import Client, fresh, listening
from tests.fakes.graphs import (
    Graph,
    controlled_inpainting_graph,
    empty_image,
    image_graph,
    node,
    save,
)
from tests.fakes.graphs import sampling_graph as sampling


async def picture(client: Client, graph: Graph) -> Image.Image:
    """What the graph's last node saves."""
    return await client.view(await client.run(graph), list(graph)[-1])


def differs(one: Image.Image, other: Image.Image) -> bool:
    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is not None


@pytest.mark.parametrize("version", list(Version))
def test_every_node_class_is_described(version: Version) -> None:
    files = Files()
    try:
        catalog = Catalog(FakeOptions(version=version), files)
        assert [catalog.info(name)["name"] for name in catalog.names()] == list(NODES)
    finally:
        files.remove()


async def test_sampled_picture_has_the_latents_size() -> None:
    async with fresh() as client:
        assert (await picture(client, sampling(size=(512, 384)))).size == (512, 384)


async def test_sampled_picture_depends_on_seed_and_text_alone() -> None:
    async with fresh() as client:
        first = await picture(client, sampling("a"))
        await client.run(image_graph())
        again = await picture(client, sampling("b"))
        assert not differs(first, again)
        assert differs(first, await picture(client, sampling("c", seed=43)))
        assert differs(first, await picture(client, sampling("d", text="a harbour")))


async def test_saved_picture_carries_the_graph_and_the_callers_texts() -> None:
    async with fresh() as client:
        extra = {"extra_pnginfo": {"workflow": {"id": "w1"}}}
        entry = await client.run(image_graph(), extra_data=extra)
        image = await client.view(entry, "2")
        assert isinstance(image, PngImageFile)
        assert json.loads(image.text["prompt"]) == image_graph()
        assert json.loads(image.text["workflow"]) == {"id": "w1"}


async def test_batch_is_saved_under_counted_names_in_the_prefixs_folder() -> None:
    async with fresh() as client:
        entry = await client.run(image_graph("tasks/t1/out", batch_size=2))
        assert [image["filename"] for image in entry["outputs"]["2"]["images"]] == [
            "out_00001_.png",
            "out_00002_.png",
        ]
        assert {image["subfolder"] for image in entry["outputs"]["2"]["images"]} == {"tasks/t1"}


async def test_prefix_that_leads_out_of_the_folder_fails_the_job() -> None:
    async with fresh() as client:
        entry = await client.run(image_graph("../out"))
        assert entry["status"]["messages"][-1][0] == "execution_error"


async def test_output_dir_is_kept(tmp_path: Path) -> None:
    async with fresh(output_dir=tmp_path) as client:
        await client.run(image_graph("kept"))
    assert (tmp_path / "kept_00001_.png").is_file()


async def test_uploaded_picture_is_loaded_and_inverted() -> None:
    async with fresh() as client:
        await client.upload("a.png", Image.new("RGB", (20, 10), (255, 0, 0)), subfolder="in")
        graph = {
            "1": node("LoadImage", image="in/a.png"),
            "2": node("ImageInvert", image=["1", 0]),
            "3": save("2"),
        }
        image = await picture(client, graph)
        assert (image.size, image.getpixel((0, 0))) == ((20, 10), (0, 255, 255))


@pytest.mark.parametrize(
    ("width", "height", "crop", "size"),
    [(32, 32, "disabled", (32, 32)), (32, 32, "center", (32, 32)), (128, 0, "disabled", (128, 96))],
)
async def test_image_scale(width: int, height: int, crop: str, size: tuple[int, int]) -> None:
    settings = {"width": width, "height": height, "crop": crop, "upscale_method": "lanczos"}
    graph = {
        "1": empty_image(),
        "2": node("ImageScale", image=["1", 0], **settings),
        "3": save("2"),
    }
    async with fresh() as client:
        assert (await picture(client, graph)).size == size


async def test_upscale_model_multiplies_the_size_by_the_factor_in_its_name() -> None:
    graph = {
        "1": empty_image(),
        "2": node("UpscaleModelLoader", model_name="RealESRGAN_x2.pth"),
        "3": node("ImageUpscaleWithModel", upscale_model=["2", 0], image=["1", 0]),
        "4": save("3"),
    }
    async with fresh() as client:
        assert (await picture(client, graph)).size == (128, 96)


async def test_inpainting_changes_the_masked_half_only() -> None:
    photo = Image.new("RGBA", (64, 64), (200, 10, 10, 255))
    photo.paste((200, 10, 10, 0), (0, 0, 32, 64))
    graph = {
        **sampling(latent_image=["12", 0]),
        "10": node("LoadImage", image="photo.png"),
        "11": node("VAEEncode", pixels=["10", 0], vae=["4", 2]),
        "12": node("SetLatentNoiseMask", samples=["11", 0], mask=["10", 1]),
    }
    graph["13"] = save("8")
    async with fresh() as client:
        await client.upload("photo.png", photo)
        image = await picture(client, graph)
        before = photo.convert("RGB")
        left, right = (0, 0, 32, 64), (32, 0, 64, 64)
        assert differs(image.crop(left), before.crop(left))
        assert not differs(image.crop(right), before.crop(right))


async def test_every_other_node_class_runs() -> None:
    async with fresh() as client:
        await client.upload("mask.png", Image.new("RGBA", (64, 48), (255, 0, 0, 9)))
        assert (await picture(client, controlled_inpainting_graph("mask.png"))).size == (64, 48)


async def test_websocket_node_sends_the_picture_in_a_frame() -> None:
    graph = {"1": empty_image(color=0xFF0000), "2": node("SaveImageWebsocket", images=["1", 0])}
    async with fresh() as client, listening(client.fake, "tester") as listener:
        entry = await client.run(graph)
        await client.until(lambda: bool(listener.frames))
        assert entry["outputs"] == {}
        assert listener.frames[0][:8] == b"\0\0\0\1\0\0\0\2"
        with Image.open(io.BytesIO(listener.frames[0][8:])) as image:
            assert (image.format, image.getpixel((5, 5))) == ("PNG", (255, 0, 0))


async def test_changed_upload_is_not_taken_from_the_cache() -> None:
    graph = {"1": node("LoadImage", image="a.png"), "2": save("1")}
    async with fresh() as client:
        await client.upload("a.png", Image.new("RGB", (8, 8), (1, 1, 1)))
        await client.run(graph)
        await client.upload("a.png", Image.new("RGB", (16, 16), (2, 2, 2)), overwrite="true")
        assert (await picture(client, graph)).size == (16, 16)


async def test_free_memory_empties_the_cache() -> None:
    async with fresh() as client:
        await client.run(image_graph())
        await client.run(image_graph())
        assert len(client.fake.executed_nodes) == 2
        await client.http.post("/free", json={"unload_models": True, "free_memory": True})
        await client.run(image_graph())
        assert len(client.fake.executed_nodes) == 4
