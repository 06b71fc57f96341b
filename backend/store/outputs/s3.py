"""Outputs in an S3-compatible store: `{bucket}/{prefix}/{task_id}/{n}.{ending}`."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from backend.errors import OutputNotFound, StorageUnavailable
from backend.store.outputs.output_store import (
    JUST_REMOVED,
    Folder,
    OutputStore,
    RemoteFile,
    file_name,
)
from backend.tasks import Output

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""Environment variables of the server's URL; the first that is set counts."""
CLIENT: "ClientConfig" = {
    "connect_timeout": timedelta(seconds=3),
    "timeout": timedelta(seconds=30),
}
RETRY: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
PIECE = 8 * 1024 * 1024
"""Bytes sent in one request: what is larger is sent in several, each with its own timeout."""
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(;[ -~]*)?", re.ASCII)
MISSING_BUCKET = "NoSuchBucket"
REFUSED = re.compile(r"status code: 40[13]\b")
"""Told by the text: the library has classes of its own for some of these calls only."""


class S3OutputStore(OutputStore):
    """Endpoint, region and credentials come from the usual AWS_… environment variables.

    The bucket's name goes into the path, as every S3-compatible server understands it.
    Raises StorageUnavailable where these variables are not what they should be.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        retry: "RetryConfig" = RETRY,
        client: "ClientConfig" = CLIENT,
    ) -> None:
        self._url = f"s3://{bucket}/{prefix}".rstrip("/")
        endpoint = _endpoint()
        config: S3Config = {"endpoint": endpoint} if endpoint else {}
        with self._translated():
            self._store = S3Store(
                bucket,
                prefix=prefix or None,
                config=config,
                client_options={"allow_http": True, **client},
                retry_config=retry,
            )

    async def save(self, task_id: str, name: str, data: bytes, content_type: str) -> Output:
        name = file_name(name, content_type)
        kind = content_type if CONTENT_TYPE.fullmatch(content_type) else "application/octet-stream"
        await self._write(f"{task_id}/{name}", data, kind)
        return Output(name, content_type, len(data))

    async def put(self, folder: str, name: str, data: bytes) -> None:
        # There is no other way to touch what is there than to write it again.
        await self._write(f"{folder}/{name}", data, "application/octet-stream")

    async def read(self, task_id: str, output: Output) -> bytes | None:
        with self._translated():
            try:
                found = await self._store.get_async(f"{task_id}/{output.file}")
                return bytes(await found.bytes_async())
            except FileNotFoundError as exc:
                if MISSING_BUCKET in str(exc):
                    raise
                return None

    async def file(self, task_id: str, output: Output) -> RemoteFile | None:
        path = f"{task_id}/{output.file}"
        with self._translated():
            try:
                meta = await self._store.head_async(path)
            except FileNotFoundError:
                # The answer to HEAD has no body: only GET tells a missing bucket from a file.
                await self.read(task_id, output)
                return None

        async def part(start: int, end: int) -> bytes:
            wanted: GetOptions = {"range": (start, end)}
            if meta["e_tag"] is not None:
                # Of this version: another attempt may write another one meanwhile.
                wanted["if_match"] = meta["e_tag"]
            with self._translated():
                try:
                    found = await self._store.get_async(path, options=wanted)
                    return bytes(await found.bytes_async())
                except FileNotFoundError as exc:
                    if MISSING_BUCKET in str(exc):
                        raise
                    raise OutputNotFound(JUST_REMOVED) from exc

        return RemoteFile(meta["size"], _etag(meta), _seconds(meta["last_modified"]), part)

    async def remove(self, task_id: str) -> None:
        with self._translated():
            await self._delete([each["path"] for each in await self._list(task_id)])

    async def folders(self) -> list[Folder]:
        touched: dict[str, float] = {}
        with self._translated():
            async for objects in self._store.list():
                for each in objects:
                    name, slash, _ = each["path"].partition("/")
                    if slash:
                        seconds = _seconds(each["last_modified"])
                        touched[name] = max(seconds, touched.get(name, seconds))
        return [Folder(name, seconds) for name, seconds in touched.items()]

    async def remove_untouched(self, folder: str, since: float) -> None:
        with self._translated():
            found = await self._list(folder)
            await self._delete(
                [each["path"] for each in found if _seconds(each["last_modified"]) < since]
            )

    async def _write(self, path: str, data: bytes, content_type: str) -> None:
        with self._translated():
            await self._store.put_async(
                path,
                data,
                attributes={"Content-Type": content_type},
                chunk_size=PIECE,
                max_concurrency=4,
            )

    async def _list(self, folder: str) -> "list[ObjectMeta]":
        return [each async for objects in self._store.list(folder) for each in objects]

    async def _delete(self, paths: list[str]) -> None:
        if paths:
            await self._store.delete_async(paths)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as exc:
            raise StorageUnavailable(self._message(exc)) from exc

    def _message(self, exc: Exception) -> str:
        text = str(exc)
        if MISSING_BUCKET in text:
            return f"There is no bucket of {self._url}: make it, or correct OUTPUTS_URL."
        if REFUSED.search(text):
            return (
                f"The object store refuses {self._url}{_code(text)}: check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, and what they may do (get, put, delete, list)."
            )
        reason = text.partition("\n")[0].partition("<?xml")[0][:500].rstrip(" .:")
        return (
            f"The object store of {self._url} cannot be used: {reason}{_code(text)}. "
            "Check AWS_ENDPOINT_URL, AWS_REGION, the credentials, and the network."
        )


def _endpoint() -> str | None:
    """Checked here: the library aborts its own thread over a URL that is none."""
    for name in ENDPOINTS:
        if name in os.environ:
            url = urlsplit(os.environ[name])
            if url.scheme not in ("http", "https") or not url.hostname:
                raise StorageUnavailable(
                    f"{name} is {os.environ[name]!r}: write the server's URL, such as "
                    "https://s3.example.com, or leave it out for AWS."
                )
            return os.environ[name]
    return None


def _etag(meta: "ObjectMeta") -> str:
    changed = f'"{meta["size"]}-{meta["last_modified"].timestamp()}"'
    return meta["e_tag"] or changed


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _code(text: str) -> str:
    """What the server calls its error, in brackets."""
    match = re.search(r"<Code>(\w+)</Code>", text)
    return f" ({match[1]})" if match else ""
