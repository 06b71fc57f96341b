"""Styles: named prompt templates."""

from pathlib import Path

import pytest

from backend.config import Settings
from backend.errors import StylesInvalid
from backend.services.styles import Style, read_styles
from tests.backend.gpu_service import GPUService
from tests.backend.serving import serving


@pytest.mark.parametrize(
    ("template", "prompt", "styled"),
    [
        ("ink drawing of {prompt}, wet", "a cat", "ink drawing of a cat, wet"),
        ("{prompt} and {prompt}", "a cat", "a cat and a cat"),
        ("film grain", "a cat", "a cat, film grain"),
        ("film grain", "", "film grain"),
        ("{prompt}", "a {prompt} {0}", "a {prompt} {0}"),
    ],
)
def test_prompt_is_put_into_the_template(template: str, prompt: str, styled: str) -> None:
    """Spec: Generation Router, Request Schema: style."""
    assert Style(prompt=template).apply(prompt) == styled


@pytest.mark.parametrize(
    ("style", "client", "both"),
    [
        ("colour", "dogs", "dogs, colour"),
        ("colour", None, "colour"),
        (None, "dogs", "dogs"),
        (None, None, None),
    ],
)
def test_negative_prompts_are_joined(
    style: str | None, client: str | None, both: str | None
) -> None:
    assert Style(negative_prompt=style).apply_negative(client) == both


def test_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "styles.json").write_text('{"ink": {"prompt": "ink of {prompt}"}, "plain": {}}')
    styles = read_styles(tmp_path / "styles.json")
    assert styles == {"ink": Style(prompt="ink of {prompt}"), "plain": Style()}


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StylesInvalid, match=r"nope\.json"):
        read_styles(tmp_path / "nope.json")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"ink": "ink of {prompt}"}', b'{"ink": {"promt": "x"}}', b'{"\xff": {}}'],
)
def test_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "styles.json"
    path.write_bytes(content)
    with pytest.raises(StylesInvalid, match=str(path)):
        read_styles(path)


def test_shipped_styles_have_a_place_for_the_prompt() -> None:
    styles = read_styles(Settings(_env_file=None).styles_path)
    assert "realistic" in styles
    assert all("{prompt}" in style.prompt for style in styles.values())


async def test_backend_does_not_start_on_a_broken_file(
    settings: Settings, gpu: GPUService, tmp_path: Path
) -> None:
    (tmp_path / "styles.json").write_text("{")
    with pytest.raises(StylesInvalid):
        async with serving(settings, styles_path=tmp_path / "styles.json"):
            pytest.fail("it started")


async def test_operator_s_file_takes_the_shipped_one_s_place(
    settings: Settings, gpu: GPUService, tmp_path: Path
) -> None:
    (tmp_path / "styles.json").write_text('{"ink": {"prompt": "ink of {prompt}"}}')
    async with serving(settings, styles_path=tmp_path / "styles.json") as client:
        request = {"mode": "free", "prompt": "a cat", "style": "ink"}
        await client.post("/generate", json=request, headers={"Prefer": "wait=30"})
    assert gpu.jobs[0].sent["params"]["prompt"] == "ink of a cat"
