"""A password in a URL is in no log, and in no words that others read."""

import logging

import httpx
import pytest
import respx

import backend.config
import gpu_server.config
from backend.clients.gpu_client import GPUClient
from backend.errors import GPUServiceUnreachable
from gpu_server.comfyui.api import ComfyUIAPI
from gpu_server.errors import ComfyUIUnavailable
from gpu_server.login import login_of, without_login
from gpu_server.utils.logging import start_logging
from tests import plain_http

URL = "http://me:pw@localhost:8188"


@pytest.mark.parametrize(
    ("url", "login", "shown"),
    [
        ("http://me:pw@host:8188/path", "me:pw", "http://host:8188/path"),
        ("https://a-long-token@host", "a-long-token", "https://host"),
        ("http://me:p@ss@host", "me:p@ss", "http://host"),
        ("me:pw@host", "me:pw", "host"),
        ("postgresql://me@host/name", "", "postgresql://host/name"),
        ("http://host:8188", "", "http://host:8188"),
    ],
)
def test_login_of_a_url(url: str, login: str, shown: str) -> None:
    assert login_of(url) == login
    assert without_login(url) == shown


def test_every_url_of_the_backend_is_masked() -> None:
    settings = backend.config.Settings(
        _env_file=None,
        gpu_service_url="http://me:first@one, http://me:second@two",
        database_url="postgresql://me:third@host/name",
        outputs_url="s3://me:fourth@bucket",
    )
    assert settings.secrets == ["me:first", "me:second", "me:third", "me:fourth"]


@pytest.mark.parametrize("form", ["standard", "json"])
def test_comfyui_is_logged_without_its_password(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    chosen = gpu_server.config.LogFormat(form)
    settings = gpu_server.config.Settings(
        _env_file=None, comfyui_api_url=URL, log_format=chosen, log_max_mb=0
    )
    start_logging(settings)
    logging.getLogger("test").info("ComfyUI URL: %s", URL)
    assert "ComfyUI URL: http://***@localhost:8188" in capsys.readouterr().out


async def test_an_error_that_a_client_reads_has_none(respx_mock: respx.MockRouter) -> None:
    respx_mock.route(host="localhost").mock(side_effect=httpx.ConnectError)
    async with plain_http.AsyncClient() as http:
        with pytest.raises(ComfyUIUnavailable) as of_comfyui:
            await ComfyUIAPI(http, URL).system_stats()
        with pytest.raises(GPUServiceUnreachable) as of_gpu_service:
            await GPUClient(http, URL).catalogue()
    for said in (of_comfyui.value.message, of_gpu_service.value.message):
        assert "at http://localhost:8188" in said
