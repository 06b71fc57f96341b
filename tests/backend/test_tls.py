"""The certificate that the server shows: given before it listens, renewed while it runs."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette

from backend.clients.gpu_client import GPUClient
from backend.clients.trust import trust_in, usual_authorities
from backend.errors import GPUServiceUnreachable, TLSUnusable
from backend.tls import TLS, usable
from tests.certificates import DAY, Authority, Pair
from tests.conditions import eventually
from tests.fake_comfyui.running import EmbeddedServer
from tests.fake_comfyui.server import listener

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def encrypted(pair: Pair) -> Path:
    """The same key behind a passphrase."""
    path = pair.key.with_suffix(".encrypted")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    path.write_bytes(key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    return path


WRONG: list[tuple[str, Callable[[Authority], tuple[Path, Path]], str]] = [
    ("no file", lambda it: (it.path.with_name("no.crt"), it.issue("a").key), "cannot be read: No"),
    ("no certificate", lambda it: (it.issue("a").key, it.issue("a").key), "no certificate"),
    ("no key", lambda it: (it.issue("a").certificate, it.path), "no private key"),
    (
        "key of another",
        lambda it: (it.issue("a").certificate, it.issue("b").key),
        "is not the key of the certificate",
    ),
    ("encrypted", lambda it: (it.issue("a").certificate, encrypted(it.issue("a"))), "encrypted"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong[0])
def test_what_is_wrong_with_which_file_is_told(
    authority: Authority, wrong: tuple[str, Callable[[Authority], tuple[Path, Path]], str]
) -> None:
    _, files, said = wrong
    with pytest.raises(TLSUnusable, match=said):
        usable(*files(authority))


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [(-9 * DAY, -DAY, "has expired"), (DAY, 9 * DAY, "is not valid yet")],
)
def test_certificate_out_of_its_time_is_refused(
    authority: Authority, begins: timedelta, ends: timedelta, said: str
) -> None:
    pair = authority.issue("untimely", begins=begins, ends=ends)
    with pytest.raises(TLSUnusable, match=said):
        usable(pair.certificate, pair.key)


def test_end_of_the_certificate_is_known(authority: Authority) -> None:
    pair = authority.issue(ends=30 * DAY)
    _, ends_at = usable(pair.certificate, pair.key)
    assert abs(ends_at - time.time() - 30 * 86400) < 3600


def loaded(**given: str) -> uvicorn.Server:
    """A server as it is when it starts its application."""
    config = uvicorn.Config(
        Starlette(), ws="none", ssl_certfile=given.get("certificate"), ssl_keyfile=given.get("key")
    )
    config.load()
    return uvicorn.Server(config)


class Served:
    """A server at `url`, and its TLS."""

    def __init__(self, url: str, tls: TLS, trusting: ssl.SSLContext) -> None:
        self.url, self.tls, self._trusting = url, tls, trusting

    async def number(self) -> str:
        """The serial number of the certificate that a new client sees."""
        host, port = self.url.removeprefix("https://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=self._trusting)
        shown = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        return str(shown)


@asynccontextmanager
async def served(
    authority: Authority, pair: Pair, look_seconds: float = 10
) -> AsyncIterator[Served]:
    """Whatever is asked, 404; with TLS as the backend's lifespan has it."""
    trusting = ssl.create_default_context(cafile=authority.path)
    holder: list[EmbeddedServer] = []
    tls: list[TLS] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        tls.append(TLS(holder[0], str(pair.certificate), str(pair.key), look_seconds))
        async with tls[0]:
            yield

    holder.append(
        EmbeddedServer(uvicorn.Config(Starlette(lifespan=lifespan), ws="none", log_config=None))
    )
    bound = listener("127.0.0.1", 0)
    serving = asyncio.create_task(holder[0].serve(sockets=[bound]))
    try:
        await asyncio.wait_for(holder[0].listening.wait(), 10)
        yield Served(f"https://127.0.0.1:{bound.getsockname()[1]}", tls[0], trusting)
    finally:
        holder[0].stopping.set()
        await serving


async def test_renewed_certificate_is_taken_up_without_a_restart(authority: Authority) -> None:
    async with served(authority, authority.issue("renewed"), look_seconds=0.01) as server:
        first = await server.number()
        assert await server.number() == first
        authority.issue("renewed")

        async def is_new() -> bool:
            return await server.number() != first

        await eventually(is_new)


async def test_badly_renewed_one_changes_nothing_until_it_is_whole(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pair = authority.issue("cut")
    async with served(authority, pair, look_seconds=1000) as server:
        first = await server.number()
        whole = authority.issue("other")
        pair.certificate.write_bytes(whole.certificate.read_bytes())
        server.tls.look()
        server.tls.look()
        assert await server.number() == first
        told = [each.getMessage() for each in caplog.records if each.name == "backend.tls"]
        assert len(told) == 1
        assert "is not the key" in told[0]
        pair.key.write_bytes(whole.key.read_bytes())
        server.tls.look()
        assert await server.number() != first


async def test_certificate_that_ends_soon_is_warned_of_once_a_day(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pair, now = authority.issue("soon", ends=7 * DAY), time.time()
    server = loaded()
    days = iter([0.0, 0.5, 1.0, 8.0])
    tls = TLS(
        server,
        str(pair.certificate),
        str(pair.key),
        look_seconds=1000,
        clock=lambda: now + next(days) * 86400,
    )
    async with tls:
        await asyncio.sleep(0)  # Its own first look.
        tls.look()
        tls.look()
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert [text.split(" on ")[0] for text in told] == [
        "The certificate ends",
        "The certificate ends",
        "The certificate has ended",
    ]


@pytest.mark.parametrize("given", [("/c.pem", ""), ("", "/k.pem")])
async def test_one_file_alone_is_refused(given: tuple[str, str]) -> None:
    with pytest.raises(TLSUnusable, match="Set both"):
        await TLS(loaded(), *given).__aenter__()


async def test_server_that_is_not_uvicorn_is_not_silently_left_without(
    authority: Authority,
) -> None:
    pair = authority.issue()
    with pytest.raises(TLSUnusable, match="uvicorn"):
        await TLS(None, str(pair.certificate), str(pair.key)).__aenter__()


async def test_without_files_nothing_is_done() -> None:
    server = loaded()
    async with TLS(server, "", "") as tls:
        assert not tls.alive
    assert server.config.ssl is None


async def test_uvicorn_s_own_arguments_go_first(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    pair, other = authority.issue("own"), authority.issue("other")
    server = loaded(certificate=str(pair.certificate), key=str(pair.key))
    given = server.config.ssl
    async with TLS(server, str(other.certificate), str(other.key)) as tls:
        assert not tls.alive
    assert server.config.ssl is given
    assert "passed over" in caplog.text


async def test_both_services_do_the_same() -> None:
    backend, gpu_server = (ROOT / name / "tls.py" for name in ("backend", "gpu_server"))
    start = gpu_server.read_text().index("def running_server")
    end = gpu_server.read_text().index("def usable")
    own = gpu_server.read_text()[:start] + gpu_server.read_text()[end:]
    own = own.replace("gpu_server.", "backend.").replace("import signal\n", "")
    assert own == backend.read_text()


async def test_gpu_service_of_a_private_authority_is_believed_by_its_file(
    authority: Authority,
) -> None:
    async with served(authority, authority.issue("gpu")) as server:
        for ca_file, believed in [(authority.path, True), (authority.issue().certificate, False)]:
            verify = trust_in(str(ca_file))
            async with httpx.AsyncClient(verify=verify, trust_env=False) as http:
                with pytest.raises(Exception, match=r"404|not trusted") as refusal:
                    await GPUClient(http, server.url).catalogue()
            unreachable = isinstance(refusal.value, GPUServiceUnreachable)
            assert unreachable is not believed
            assert ("GPU_SERVICE_CA_FILE" in str(refusal.value)) is not believed


def test_file_that_holds_no_authority_is_refused_by_its_name(
    authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(TLSUnusable, match=r"GPU_SERVICE_CA_FILE .* no certificate"):
        trust_in(str(authority.issue().key))
    with pytest.raises(TLSUnusable, match=r"GPU_SERVICE_CA_FILE .* cannot be read"):
        trust_in(str(tmp_path / "none"))
    assert trust_in("") is usual_authorities()
