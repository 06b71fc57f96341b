"""`POST /generate` with the engine that runs workflows, where all goes well."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import picture, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = {"width": 64, "height": 64, "steps": 2}

TWO_PICTURES: dict[str, Any] = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0},
    },
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    "3": {
        "class_type": "EmptyImage",
        "inputs": {"width": 32, "height": 32, "batch_size": 1, "color": 0},
    },
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}
ONE_PREVIEW = {node: TWO_PICTURES[node] for node in "12"}


async def test_free_generation_makes_a_png_of_the_size_asked_for(
    each_idle_fake: FakeComfyUI,
) -> None:
    async with running(each_idle_fake.url) as service:
        reply = await service.generate(
            "free_generation", prompt="a lighthouse", width=128, height=64, seed=7, steps=2
        )
    image = picture(reply)
    assert (image.format, image.size) == ("PNG", (128, 64))


async def test_answer_has_the_specification_s_fields_only(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        reply = await service.generate("selftest")
    assert set(reply.json()) == {"status", "image", "error"}


async def test_values_go_into_the_right_nodes(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        await service.generate(
            "free_generation",
            prompt="a lighthouse",
            negative_prompt="fog",
            seed=2**53 + 1,
            steps=3,
            cfg=4.5,
            sampler_name="euler",
            scheduler="normal",
            width=64,
            height=128,
            model="random-sd15.safetensors",
        )
    [submitted] = idle_fake.prompts
    sent = {node: entry["inputs"] for node, entry in submitted.body["prompt"].items()}
    assert sent["6"]["text"] == "a lighthouse"
    assert sent["7"]["text"] == "fog"
    assert sent["4"]["ckpt_name"] == "random-sd15.safetensors"
    assert (sent["5"]["width"], sent["5"]["height"]) == (64, 128)
    sampler = {name: sent["3"][name] for name in ("seed", "steps", "cfg")}
    assert sampler == {"seed": 2**53 + 1, "steps": 3, "cfg": 4.5}
    assert (sent["3"]["sampler_name"], sent["3"]["scheduler"]) == ("euler", "normal")


async def test_links_between_the_nodes_are_left_alone(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        await service.generate("free_generation", prompt="x", **SMALL)
    sampler = idle_fake.prompts[0].body["prompt"]["3"]["inputs"]
    links = [sampler[name] for name in ("model", "positive", "negative", "latent_image")]
    assert links == [["4", 0], ["6", 0], ["7", 0], ["5", 0]]


async def test_submission_names_its_own_id_and_client(idle_fake: FakeComfyUI) -> None:
    """Protocol: choose the id, and always send a client id, on which events come."""
    async with running(idle_fake.url) as service:
        await service.generate("selftest")
        await service.generate("selftest")
    first, second = (prompt.body for prompt in idle_fake.prompts)
    assert first["prompt_id"] != second["prompt_id"]
    assert first["client_id"]


async def test_text_of_all_languages_arrives_whole(idle_fake: FakeComfyUI) -> None:
    text = 'ünï "quoted" \\ 日本 🎨 \x00\n'
    async with running(idle_fake.url) as service:
        picture(await service.generate("free_generation", prompt=text, **SMALL))
    assert idle_fake.prompts[0].body["prompt"]["6"]["inputs"]["text"] == text


@pytest.mark.parametrize("given", [{}, {"seed": -1}, {"seed": None}], ids=str)
async def test_seed_left_out_is_drawn(idle_fake: FakeComfyUI, given: dict[str, Any]) -> None:
    async with running(idle_fake.url) as service:
        for _ in range(2):
            await service.generate("free_generation", prompt="x", **SMALL, **given)
    first, second = (prompt.body["prompt"]["3"]["inputs"]["seed"] for prompt in idle_fake.prompts)
    assert first != second
    assert min(first, second) >= 0


async def test_same_seed_makes_the_same_image(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        replies = [
            await service.generate("free_generation", prompt="x", seed=7, **SMALL) for _ in range(2)
        ]
    first, second = (picture(reply) for reply in replies)
    assert first.tobytes() == second.tobytes()


async def test_null_is_a_value_left_out(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        await service.generate("free_generation", prompt="x", negative_prompt=None, **SMALL)
    sent = idle_fake.prompts[0].body["prompt"]["7"]["inputs"]["text"]
    assert sent == "blurry, low quality, watermark"


async def test_selftest_makes_a_canvas_of_the_color_asked_for(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        reply = await service.generate("selftest", width=8, height=4, color=0xFF8000)
    image = picture(reply)
    assert (image.size, image.getpixel((0, 0))) == ((8, 4), (255, 128, 0))


async def test_repeated_identical_request_yields_an_image_each_time(
    each_idle_fake: FakeComfyUI,
) -> None:
    """ComfyUI would run nothing of a graph equal to the last, and name files that may be gone."""
    async with running(each_idle_fake.url) as service:
        for _ in range(3):
            picture(await service.generate("selftest", width=8, height=8))
            for path in each_idle_fake.files.folder("output").rglob("*.png"):
                path.unlink()


async def test_each_request_saves_under_a_prefix_of_its_own(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        for _ in range(2):
            await service.generate("selftest")
    prefixes = {each.body["prompt"]["2"]["inputs"]["filename_prefix"] for each in idle_fake.prompts}
    assert len(prefixes) == 2


async def test_what_was_sampled_before_stays_cached(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        for _ in range(2):
            await service.generate("free_generation", prompt="x", seed=7, **SMALL)
    repeated = idle_fake.prompts[1].prompt_id
    assert [node for prompt, node in idle_fake.executed_nodes if prompt == repeated] == ["9"]


async def test_saved_image_goes_before_a_preview(idle_fake: FakeComfyUI, workflows: Path) -> None:
    (workflows / "both.json").write_text(json.dumps(TWO_PICTURES))
    async with running(idle_fake.url, workflows_path=workflows) as service:
        assert picture(await service.generate("both")).size == (32, 32)


async def test_preview_is_taken_where_there_is_nothing_else(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    (workflows / "preview.json").write_text(json.dumps(ONE_PREVIEW))
    async with running(idle_fake.url, workflows_path=workflows) as service:
        assert picture(await service.generate("preview")).size == (16, 16)


async def test_workflow_dropped_in_while_running_can_be_used(
    idle_fake: FakeComfyUI, workflows: Path
) -> None:
    async with running(idle_fake.url, workflows_path=workflows) as service:
        (workflows / "mine.json").write_text(json.dumps(ONE_PREVIEW))
        picture(await service.generate("mine"))


async def test_address_may_end_in_a_slash(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url + "/") as service:
        picture(await service.generate("selftest"))


async def test_sockets_are_closed_when_the_job_is_done(idle_fake: FakeComfyUI) -> None:
    async with running(idle_fake.url) as service:
        await service.generate("selftest")
    await idle_fake.until(lambda: idle_fake.open_sockets == 0)
