"""API keys: `python -m backend.keys create | list | revoke`. Works while the backend runs."""

import argparse
import asyncio
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path

# `python keys.py` in this folder: the package is one level up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backend.access import ApiKey, Bounds, Scope
from backend.config import Settings, get_settings
from backend.durations import duration
from backend.errors import BackendError
from backend.start_failure import settings_or_exit
from backend.store.key_store import KeyStore, digest_of
from backend.store.opening import stores_of
from backend.utils.logging import setup_logging

log = logging.getLogger("backend.keys")

PREFIX = "cgw_"
"""So that who finds one in a log or a repository knows what it is."""
SECRET_BYTES = 32
USUAL = (Scope.SUBMIT, Scope.READ)
FAILED, WRONG_USE = 1, 2
CANNOT = 3


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncIterator[KeyStore]:
    """The keys of the settings' data folder or database. Raises BackendError."""
    stores = stores_of(settings, worker=False)
    if stores.shared is not None:
        await stores.tasks.open()
    try:
        yield stores.keys
    finally:
        await stores.keys.close()
        if stores.shared is not None:
            await stores.tasks.close()


async def create(keys: KeyStore, wanted: argparse.Namespace) -> int:
    """Make a key and print it: it is nowhere to be read again."""
    now = time.time()
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(
        id=f"key_{secrets.token_hex(6)}",
        name=wanted.name,
        scopes=frozenset(wanted.scope or USUAL),
        created_at=now,
        expires_at=None if wanted.expires is None else now + wanted.expires,
        bounds=Bounds(wanted.requests_per_minute, wanted.concurrent_tasks, wanted.tasks_per_day),
    )
    await keys.add(key, digest_of(secret))
    print(_line(key, now), file=sys.stderr)  # noqa: T201
    print("The key, shown this once:", file=sys.stderr)  # noqa: T201
    print(secret)  # noqa: T201
    return 0


async def show(keys: KeyStore, _: argparse.Namespace) -> int:
    """A line each."""
    found = await keys.all()
    for key in found:
        print(_line(key, time.time()))  # noqa: T201
    if not found:
        print("There are no keys: the API asks for none.", file=sys.stderr)  # noqa: T201
    return 0


async def revoke(keys: KeyStore, wanted: argparse.Namespace) -> int:
    """Let nobody in with it from now on."""
    if await keys.revoke(wanted.id, time.time()):
        print(f"{wanted.id} is revoked.", file=sys.stderr)  # noqa: T201
        return 0
    print(f"There is no key {wanted.id} that is not revoked.", file=sys.stderr)  # noqa: T201
    return FAILED


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 done, 1 there is no such key, 2 wrong use, 3 the keys cannot be used."""
    wanted = _parser().parse_args(arguments)
    settings = settings_or_exit(get_settings, "The keys", setup_logging)
    setup_logging("WARNING", settings.log_format.value, secrets=settings.secrets)

    async def run() -> int:
        async with open_keys(settings) as keys:
            done: int = await wanted.do(keys, wanted)
            return done

    try:
        return asyncio.run(run())
    except BackendError as exc:
        log.critical("%s", exc.message)
        return CANNOT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m backend.keys", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="create | list | revoke")
    making = commands.add_parser("create", help="make a key, and print it")
    making.add_argument("name", help="whose key it is")
    making.add_argument(
        "--scope",
        type=Scope,
        action="append",
        choices=list(Scope),
        metavar="|".join(scope.value for scope in Scope),
        help="may be repeated; submit and read, where there is none",
    )
    making.add_argument("--expires", type=_seconds, metavar="30d", help="after so long")
    for name in ("requests-per-minute", "concurrent-tasks", "tasks-per-day"):
        making.add_argument(f"--{name}", type=_count, metavar="N")
    making.set_defaults(do=create)
    listing = commands.add_parser("list", help="show all keys, without their secrets")
    listing.set_defaults(do=show)
    revoking = commands.add_parser("revoke", help="let nobody in with a key from now on")
    revoking.add_argument("id", help="as `list` shows it")
    revoking.set_defaults(do=revoke)
    return parser


def _seconds(text: str) -> float:
    seconds = duration(text)
    if not seconds:
        raise argparse.ArgumentTypeError("a time such as 12h or 30d")
    return seconds


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 10 or int(text) == 0:
        raise argparse.ArgumentTypeError("a whole number from 1 on")
    return int(text)


def _line(key: ApiKey, now: float) -> str:
    bounds = {
        "requests/minute": key.bounds.requests_per_minute,
        "tasks at once": key.bounds.concurrent_tasks,
        "tasks/day": key.bounds.tasks_per_day,
    }
    told = [f"{count} {name}" for name, count in bounds.items() if count is not None]
    scopes = ",".join(sorted(scope.value for scope in key.scopes))
    return f"{key.id}  {key.name!r}  {scopes}  {_state(key, now)}  {', '.join(told)}".rstrip()


def _state(key: ApiKey, now: float) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is None:
        return f"since {_day(key.created_at)}"
    return f"{'expired' if key.expires_at <= now else 'expires'} {_day(key.expires_at)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
