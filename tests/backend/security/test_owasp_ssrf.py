"""OWASP API7 (2023), server side request forgery: nobody inside is called, whoever asks."""

import asyncio
from collections.abc import Sequence

import httpx
import pytest

from backend.clients.guard import Guard
from backend.clients.image_fetcher import ImageFetcher
from backend.clients.outward import GuardedTransport, Outward
from backend.errors import InvalidInput, UrlRefused
from tests.backend.making import picture
from tests.receiver import Got, receiving, status

INSIDE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://０１２７.0.0.1/".replace("０１２７", "\uff11\uff12\uff17"),  # noqa: RUF001 - full-width digits
    "http://127\u30020\u30020\u30021/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://metadata.google.internal/",
    "http://redis:6379/",
    "http://printer.local/",
    "http://good.example@127.0.0.1/",
    "http://127.0.0.1@good.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "ftp://good.example/",
    "http:///nothing",
    "https://",
    "nothing at all",
    "http://[::1",
]
OUTSIDE = [
    "https://hooks.example.com/a?b=c",
    "http://93.184.215.14:8080/",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    "https://b\u00fccher.example/",
]


class Names:
    """A resolver that answers what the test says, one time after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Connections(httpx.AsyncBaseTransport):
    """Where requests went."""

    def __init__(self) -> None:
        self.to: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.to.append(request)
        return httpx.Response(200)


@pytest.mark.parametrize("url", INSIDE)
async def test_api7_address_inside_is_refused_in_every_notation(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        Guard("").check_url(url, "webhook.url")
    assert refused.value.extra["parameter"] == "webhook.url"


@pytest.mark.parametrize("url", OUTSIDE)
async def test_address_outside_is_taken(url: str) -> None:
    Guard("").check_url(url, "url")


@pytest.mark.parametrize("url", INSIDE)
async def test_api7_nobody_inside_is_connected_to(url: str) -> None:
    connections = Connections()
    async with httpx.AsyncClient(transport=GuardedTransport(Guard(""), connections)) as client:
        with pytest.raises((UrlRefused, httpx.HTTPError, httpx.InvalidURL, ValueError)):
            await client.get(url)
    assert connections.to == []


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], ["::1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]],
    ids=str,
)
async def test_api7_public_name_of_a_private_address_is_refused(addresses: list[str]) -> None:
    connections = Connections()
    guard = Guard("", Names(addresses))
    async with httpx.AsyncClient(transport=GuardedTransport(guard, connections)) as client:
        with pytest.raises(UrlRefused):
            await client.get("https://good.example/")
    assert connections.to == []


async def test_api7_name_that_resolves_anew_resolves_in_vain() -> None:
    """The connection goes to the address that was looked at: DNS rebinding finds no gap."""
    names, connections = Names(["93.184.215.14"], ["127.0.0.1"]), Connections()
    guard = Guard("", names)
    async with httpx.AsyncClient(transport=GuardedTransport(guard, connections)) as client:
        await client.get("https://good.example/a")
        with pytest.raises(UrlRefused):
            await client.get("https://good.example/b")
    [request] = connections.to
    assert request.url == "https://93.184.215.14/a"
    assert request.headers["Host"] == "good.example"
    assert request.extensions["sni_hostname"] == "good.example"
    assert names.asked == [("good.example", 443)] * 2


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8188/"),
        ("10.0.0.0/8, 192.168.0.0/16", "http://192.168.7.7/"),
        ("hooks.internal", "http://Hooks.Internal:9000/"),
        ("redis", "http://redis/"),
        ("::1", "http://[::1]/"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/"),
    ],
)
async def test_what_the_operator_allows_is_called(allowed: str, url: str) -> None:
    connections = Connections()
    guard = Guard(allowed, Names(["10.0.0.9"]))
    if "redis" not in allowed and "hooks" not in allowed:
        guard = Guard(allowed)
    async with httpx.AsyncClient(transport=GuardedTransport(guard, connections)) as client:
        await client.get(url)
    assert len(connections.to) == 1


async def test_api7_allowing_one_address_allows_no_other() -> None:
    with pytest.raises(UrlRefused):
        Guard("127.0.0.1,hooks.internal").check_url("http://127.0.0.2/", "url")


# images


async def fetched(url: str, *, seconds: float = 5.0, most: int = 1000) -> bytes:
    outward = Outward("127.0.0.1")
    try:
        fetcher = ImageFetcher(outward.http, outward.guard, most, seconds)
        return await fetcher.fetch("target_image", url, fetcher.due())
    finally:
        await outward.close()


async def test_image_is_fetched() -> None:
    async with receiving(lambda _: status(200, picture())) as server:
        assert await fetched(server.url("/a.png")) == picture()
    assert server.got[0].headers["host"] == f"127.0.0.1:{server.port}"


async def test_image_that_has_moved_is_followed() -> None:
    def answer(got: Got) -> bytes:
        return status(200, picture()) if got.path == "/b" else status(302, Location="/b")

    async with receiving(answer) as server:
        assert await fetched(server.url("/a")) == picture()


@pytest.mark.parametrize(
    "inside", ["http://169.254.169.254/", "http://[::1]/", "file:///etc/passwd"]
)
async def test_api7_redirect_inward_is_not_followed(inside: str) -> None:
    async with receiving(lambda _: status(302, Location=inside)) as server:
        with pytest.raises(InvalidInput):
            await fetched(server.url())
    assert len(server.got) == 1


async def test_image_that_moves_for_ever_is_given_up() -> None:
    async with receiving(lambda _: status(302, Location="/again")) as server:
        with pytest.raises(InvalidInput, match="redirected too often"):
            await fetched(server.url())
    assert len(server.got) == 4


async def test_api4_image_that_is_too_large_is_not_read_to_its_end() -> None:
    async with receiving(lambda _: status(200, b"x" * 100_000)) as server:
        with pytest.raises(InvalidInput, match="larger than"):
            await fetched(server.url(), most=1000)


async def test_api4_image_that_never_comes_is_given_up() -> None:
    async with receiving(lambda _: None) as server:
        with pytest.raises(InvalidInput, match=r"took more than 0\.2 s"):
            await fetched(server.url(), seconds=0.2)


async def test_api4_compressed_answer_is_refused() -> None:
    async with receiving(lambda _: status(200, b"x", Content_Encoding="gzip")) as server:
        with pytest.raises(InvalidInput, match="compresses"):
            await fetched(server.url())


@pytest.mark.parametrize("code", [404, 500])
async def test_image_that_is_not_there_is_told(code: int) -> None:
    async with receiving(lambda _: status(code)) as server:
        with pytest.raises(InvalidInput, match=f"answered {code}"):
            await fetched(server.url())


async def test_server_that_is_not_there_is_told() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(InvalidInput, match="does not answer"):
        await fetched(f"http://127.0.0.1:{port}/")
