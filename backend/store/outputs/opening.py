"""Where outputs are kept: in the data folder, or far away."""

import re
from pathlib import Path

from backend.errors import OutputsUnusable, StorageUnavailable
from backend.store.outputs.local import LocalOutputStore
from backend.store.outputs.output_store import OutputStore

S3_URL = re.compile(r"s3://(?P<bucket>[A-Za-z0-9._-]+)(/(?P<prefix>[A-Za-z0-9/._=-]*))?")
INSTALL = "pip install -r backend/requirements-s3.txt"


def open_outputs(outputs_url: str, data_path: Path) -> OutputStore:
    """The store that OUTPUTS_URL names, such as `s3://bucket/prefix`; the data folder if none.

    Nothing is written or fetched yet. Raises OutputsUnusable.
    """
    if not outputs_url:
        return LocalOutputStore(data_path / "outputs")
    url = S3_URL.fullmatch(outputs_url)
    if url is None:
        raise OutputsUnusable(
            f"OUTPUTS_URL is {outputs_url!r}: write s3://bucket/prefix, or leave it empty."
        )
    try:
        from backend.store.outputs.s3 import S3OutputStore  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        raise OutputsUnusable(f"OUTPUTS_URL needs the library obstore: {INSTALL}") from exc
    try:
        return S3OutputStore(url["bucket"], (url["prefix"] or "").strip("/"))
    except StorageUnavailable as exc:
        raise OutputsUnusable(exc.message) from exc
