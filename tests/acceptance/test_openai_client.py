"""The official `openai` client against a running pair, with the fake ComfyUI."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from PIL import Image

from tests.acceptance.processes import eventually, pair
from tests.backend.making import picture
from tests.ports import free_port


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a running pair's `/v1`."""
    folder = tmp_path_factory.mktemp("pair")
    options = ("--fault", "previews:always", "--job-seconds", "0.4")
    models = ("--models", "sd_xl_base_1.0.safetensors")
    with pair(folder, engine="comfyui", comfyui=(*options, *models)) as programs:
        for program in (programs.comfyui, programs.gpu_server, programs.backend):
            program.start()
        eventually(lambda: "engine comfyui" in programs.backend.log.read_text())
        yield f"{programs.backend.url}/v1"


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    """The official client, as its users make it, but for the proxies of this machine."""
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=base_url, api_key="none", http_client=http) as client:
        yield client


def decoded(answer: object, number: int = 0) -> Image.Image:
    data = getattr(answer, "data", None)
    assert data
    image = Image.open(io.BytesIO(base64.b64decode(data[number].b64_json)))
    image.load()
    return image


def test_generate(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="free", prompt="a lighthouse", size="512x512")
    assert (decoded(answer).format, decoded(answer).size) == ("PNG", (512, 512))
    assert (answer.size, answer.output_format) == ("512x512", "png")


def test_generate_several_in_another_format(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        prompt="a lighthouse",
        n=2,
        output_format="jpeg",
        output_compression=60,
        extra_body={"steps": 3, "seed": 7},
    )
    assert [decoded(answer, number).format for number in (0, 1)] == ["JPEG", "JPEG"]


def test_generate_a_url(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="free", prompt="p", response_format="url")
    assert answer.data
    assert answer.data[0].url
    assert answer.data[0].url.startswith("http://127.0.0.1:")


async def test_generate_with_the_asynchronous_client(base_url: str) -> None:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none", http_client=http) as client:
        answer = await client.images.generate(model="free", prompt="a lighthouse")
    assert decoded(answer).format == "PNG"


def test_stream_with_partial_images(client: openai.OpenAI) -> None:
    with client.images.generate(
        model="free", prompt="a lighthouse", stream=True, partial_images=2
    ) as stream:
        events = list(stream)
    *partials, last = events
    assert 1 <= len(partials) <= 2
    for number, partial in enumerate(partials):
        assert partial.type == "image_generation.partial_image"
        assert partial.partial_image_index == number
        assert base64.b64decode(partial.b64_json)[:2] == b"\xff\xd8"
    assert last.type == "image_generation.completed"
    assert base64.b64decode(last.b64_json)[:4] == b"\x89PNG"


def test_edit_an_image(client: openai.OpenAI) -> None:
    file = ("photo.png", picture(size=(64, 64)), "image/png")
    answer = client.images.edit(image=file, prompt="at night", extra_body={"steps": 2})
    assert decoded(answer).format == "PNG"


def test_edit_with_a_mask(client: openai.OpenAI) -> None:
    mask = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(mask, "PNG")
    answer = client.images.edit(
        image=[("photo.png", picture(size=(64, 64)), "image/png")],
        mask=("mask.png", mask.getvalue(), "image/png"),
        prompt="a boat",
    )
    assert decoded(answer).format == "PNG"


def test_edit_as_a_stream(client: openai.OpenAI) -> None:
    file = ("photo.png", picture(size=(64, 64)), "image/png")
    events = list(client.images.edit(image=file, prompt="at night", stream=True))
    assert events[-1].type == "image_edit.completed"


def test_list_models(client: openai.OpenAI) -> None:
    assert {"free", "image_to_image", "inpaint"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("free").id == "free"


def test_unknown_model(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.images.generate(model="dall-e-3", prompt="p")
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("dall-e-3")


def test_wrong_parameter(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(model="free", prompt="p", extra_body={"steps": 100_000})
    assert (raised.value.code, raised.value.param) == ("invalid_input", "steps")
    assert "Nearest valid value" in raised.value.message


def test_server_that_is_not_there() -> None:
    http = openai.DefaultHttpxClient(trust_env=False)
    url = f"http://127.0.0.1:{free_port()}/v1"
    with (
        openai.OpenAI(base_url=url, api_key="none", http_client=http, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.models.list()


def test_wrong_key(tmp_path: Path) -> None:
    http = openai.DefaultHttpxClient(trust_env=False)
    with pair(tmp_path) as programs:
        programs.backend.environment["REQUIRE_API_KEY"] = "true"
        programs.backend.start()
        url = f"{programs.backend.url}/v1"
        with (
            openai.OpenAI(base_url=url, api_key="none of ours", http_client=http) as client,
            pytest.raises(openai.AuthenticationError) as raised,
        ):
            client.models.list()
    assert raised.value.code == "api_key_invalid"
