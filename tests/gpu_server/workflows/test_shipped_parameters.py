"""What each shipped workflow takes, with and without a ComfyUI to ask."""

import pytest

from gpu_server.workflows.loader import read_workflow, workflow_names
from gpu_server.workflows.object_info import ObjectInfo
from tests.gpu_server.serving import SHIPPED
from tests.gpu_server.workflows.definitions import VERSIONS, installed
from tests.gpu_server.workflows.test_tracing import table

SAMPLING = ("seed", "steps", "cfg", "sampler_name", "scheduler")

TABLES = {
    "free_generation": {
        "prompt": "6.text",
        "negative_prompt": "7.text",
        **{name: f"3.{name}" for name in SAMPLING},
        "width": "5.width",
        "height": "5.height",
        "model": "4.ckpt_name",
    },
    "image_to_image": {
        "prompt": "5.text",
        "negative_prompt": "6.text",
        "image": "2.image",
        "denoise": "7.denoise",
        "width": "3.width",
        **{name: f"7.{name}" for name in SAMPLING},
        "model": "1.ckpt_name",
    },
    "inpaint": {
        "prompt": "7.text",
        "negative_prompt": "8.text",
        "image": "2.image",
        "mask": "3.image",
        "mask_channel": "3.channel",
        "denoise": "9.denoise",
        "width": "4.width",
        **{name: f"9.{name}" for name in SAMPLING},
        "model": "1.ckpt_name",
    },
    "selftest": {"width": "1.width", "height": "1.height", "color": "1.color"},
    "upscale": {"image": "1.image", "upscale_model": "2.model_name"},
}

SOURCES = [None, *(installed(version) for version in VERSIONS)]


def test_these_are_all_that_are_shipped() -> None:
    assert workflow_names(SHIPPED) == [*TABLES]


@pytest.mark.parametrize("object_info", SOURCES, ids=["alone", *VERSIONS])
@pytest.mark.parametrize("name", TABLES)
def test_shipped_workflow_has_its_parameters(name: str, object_info: ObjectInfo | None) -> None:
    workflow = read_workflow(name, SHIPPED, object_info)
    assert table(workflow.parameters) == TABLES[name]
    assert [*workflow.parameters] == [*TABLES[name]]
    assert all(each.description for each in workflow.parameters.values()) or object_info is None


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_missing_but_images_where_the_models_are(name: str, version: str) -> None:
    assert not read_workflow(name, SHIPPED, installed(version)).missing


@pytest.mark.parametrize("name", ["image_to_image", "inpaint", "upscale"])
def test_images_must_be_given(name: str) -> None:
    required = read_workflow(name, SHIPPED).schema()["required"]
    assert required == [each for each in TABLES[name] if each in ("image", "mask")]
