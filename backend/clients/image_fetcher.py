"""Images that clients name by their URL."""

import anyio
import httpx

from backend.clients.guard import Guard
from backend.errors import InvalidInput

SCHEMES = ("http://", "https://")
SECONDS = 20.0
"""For all images of a request, as a whole: a server may send a byte now and then."""
MAX_REDIRECTS = 3
HEADERS = {"Accept": "image/png, image/jpeg, image/webp", "Accept-Encoding": "identity"}


class ImageFetcher:
    """Bounded in bytes while they come, and in time."""

    def __init__(
        self, http: httpx.AsyncClient, guard: Guard, max_bytes: int, seconds: float = SECONDS
    ) -> None:
        self._http = http
        self._guard = guard
        self._max_bytes = max_bytes
        self._seconds = seconds

    def due(self) -> float:
        """When images that are asked for now have to be here, by the event loop's clock."""
        return anyio.current_time() + self._seconds

    async def fetch(self, field: str, url: str, due: float) -> bytes:
        """The file. Raises UrlRefused, InvalidInput, both naming `field`."""
        try:
            with anyio.fail_after(max(due - anyio.current_time(), 0.0)):
                return await self._follow(field, self._guard.check_url(url, field))
        except TimeoutError as exc:
            raise _not_fetched(field, f"it took more than {self._seconds:g} s") from exc
        except httpx.HTTPError as exc:
            raise _not_fetched(field, "its server does not answer") from exc

    async def _follow(self, field: str, url: httpx.URL) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._http.stream("GET", url, headers=HEADERS) as reply:
                if reply.next_request is None:
                    return await self._read(field, reply)
                url = self._guard.check_url(str(reply.next_request.url), field)
        raise _not_fetched(field, "it was redirected too often")

    async def _read(self, field: str, reply: httpx.Response) -> bytes:
        if reply.status_code != 200:
            raise _not_fetched(field, f"its server answered {reply.status_code}")
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            raise _not_fetched(field, "its server compresses what was asked for as it is")
        data = bytearray()
        async for part in reply.aiter_raw():
            data += part
            if len(data) > self._max_bytes:
                raise InvalidInput(
                    f"{field} is larger than {self._max_bytes // 1024**2} MB (MAX_IMAGE_SIZE_MB). "
                    "Send a smaller file.",
                    parameter=field,
                )
        return bytes(data)


def _not_fetched(field: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{field} could not be fetched: {why}. Send the image itself.", parameter=field
    )
