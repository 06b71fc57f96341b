"""The file that stdout goes to: bounded while the process runs, its older parts compressed.

A shell opened it (`> logs/x.log`), so nobody else can turn it over: it is renamed, its name is
opened anew, and that is put where stdout and stderr were. So what bypasses logging, such as a trace
of the interpreter's own, goes there too.
"""

import fcntl
import gzip
import logging
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""How often it is looked at while nothing is logged: others may write to stdout."""
RETRY_SECONDS = 5.0
"""After a change of files that failed; meanwhile all goes where it went."""
CHUNK = 256 * 1024
LEVEL = 6
PART = r"\.\d{8}T\d{6}\.\d{6}Z"
STDOUT, STDERR = 1, 2


class LogFile(logging.Handler):
    """Writes to `fds`, which are all open on `path`; keeps `keep` older parts, and what is newest.

    None of them has more than `max_bytes`, unless a single line has. Where the disk is full, lines
    are counted instead, and nobody is held up.
    """

    def __init__(
        self, path: Path, max_bytes: int, keep: int, fds: Sequence[int] = (STDOUT, STDERR)
    ) -> None:
        super().__init__()
        self.path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._fds = tuple(fds)
        self._is_part = re.compile(re.escape(path.name) + PART + r"(\.gz)?")
        self._inode = _inode(os.fstat(self._fds[0]))
        self._not_before = 0.0
        self._lost = 0
        self._torn = False
        self._trouble = ""
        self._wake = threading.Event()
        self._closed_for_good = False
        for fd in self._fds:  # A shell's `>` has it not: two writers would overwrite each other.
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
        threading.Thread(target=self._tend, name=f"log {path.name}", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """One line, in one write, after all else that was printed."""
        try:
            data = self._line(record)
            self._make_room(len(data))
            if self._lost:
                self._tell_lost()
            self._write(data)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Leave the file, and the descriptors, as they are: also what tends it does so."""
        self.acquire()
        self._closed_for_good = True
        self.release()
        self._wake.set()
        super().close()

    def _line(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + "\n").encode("utf-8", "backslashreplace")

    def _write(self, data: bytes) -> None:
        _flush()
        left = memoryview(b"\n" + data if self._torn else data)
        try:
            while left:
                left = left[os.write(self._fds[0], left) :]
        except OSError:
            self._torn = self._torn or len(left) < len(data)
            self._lost += 1
        else:
            self._torn = False

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, 0
        said = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
        told = f"{lost} lines before this one could not be written: was the disk full?"
        self._write(self._line(logging.makeLogRecord({**said, "msg": told})))
        if self._lost:
            self._lost = lost

    def _make_room(self, size: int) -> None:
        """For so many bytes, if that can be done; holding the lock."""
        if time.monotonic() < self._not_before:
            return
        try:
            there = _status(self.path)
            if there is None or _inode(there) != self._inode:
                self._adopt(_opened(self.path, os.fstat(self._fds[0])))  # Somebody moved it away.
            elif there.st_size and there.st_size + size > self._max_bytes:
                self._turn_over()
        except OSError:
            self._not_before = time.monotonic() + RETRY_SECONDS

    def _turn_over(self) -> None:
        """Rename the file and open its name anew: first what may fail for lack of room."""
        if not _locked(self._fds[0]):
            return  # Another process, which should not be there, is about to do the same.
        there = _status(self.path)
        if there is None or _inode(there) != self._inode:
            return
        new = self.path.with_name(f"{self.path.name}.new")
        fresh = _opened(new, there, os.O_TRUNC)
        at = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        part = self.path.with_name(f"{self.path.name}.{at}")
        try:
            self.path.rename(part)
            try:
                new.rename(self.path)
            except OSError:
                part.rename(self.path)
                raise
        except OSError:
            os.close(fresh)
            raise
        self._adopt(fresh)
        self._prune()
        self._wake.set()

    def _adopt(self, fresh: int) -> None:
        _flush()
        for fd in self._fds:
            os.dup2(fresh, fd)
        os.close(fresh)
        self._inode = _inode(os.fstat(self._fds[0]))

    def _parts(self) -> list[Path]:
        """The oldest first."""
        found = self.path.parent.iterdir()
        return sorted(each for each in found if self._is_part.fullmatch(each.name))

    def _prune(self) -> None:
        parts = self._parts()
        kept = sorted({each.name.removesuffix(".gz") for each in parts})[-self._keep or None :]
        for each in parts:
            if not self._keep or each.name.removesuffix(".gz") not in kept:
                each.unlink(missing_ok=True)

    def _tend(self) -> None:
        """The thread's: looks now and then, and compresses what is no longer written to."""
        for left in self.path.parent.glob(f"{self.path.name}.*.tmp"):
            left.unlink(missing_ok=True)
        while not self._closed_for_good:
            try:
                self._look()
                self._trouble = ""
            except OSError as exc:
                if str(exc) != self._trouble:
                    self._trouble = str(exc)
                    log.warning("Older parts of the log are not compressed: %s", exc)
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()

    def _look(self) -> None:
        self.acquire()
        try:
            if self._closed_for_good:
                return
            self._make_room(0)
            self._prune()
            written = self._inode
        finally:
            self.release()
        for part in self._parts():
            there = _status(part)
            if part.suffix != ".gz" and there is not None and _inode(there) != written:
                _compress(part, there)


def stdout_file(max_bytes: int, keep: int) -> LogFile | None:
    """The file that stdout goes to; None where it goes elsewhere, or nobody is to bound it."""
    if not max_bytes or sys.stdout is not sys.__stdout__:
        return None
    try:
        path, now = Path(f"/proc/self/fd/{STDOUT}").readlink(), os.fstat(STDOUT)
        there = _status(path)
        if not stat.S_ISREG(now.st_mode) or there is None or _inode(there) != _inode(now):
            return None
        same = _inode(os.fstat(STDERR)) == _inode(now)
        return LogFile(path, max_bytes, keep, (STDOUT, STDERR) if same else (STDOUT,))
    except OSError:
        return None


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _opened(path: Path, like: os.stat_result, more: int = 0) -> int:
    """The file, with the rights of the one before it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | more, 0o600)
    os.fchmod(fd, stat.S_IMODE(like.st_mode))
    return fd


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # No locks on this file system.
    return True


def _flush() -> None:
    """What was printed and is still held back."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue


def _compress(part: Path, status: os.stat_result) -> None:
    """In place of the part, once all of it is there. Raises OSError."""
    fd, name = tempfile.mkstemp(".tmp", f"{part.name}.", part.parent)
    packed = Path(name)
    try:
        with (
            os.fdopen(fd, "wb") as raw,
            part.open("rb") as source,
            gzip.GzipFile(part.name, "wb", LEVEL, raw, status.st_mtime) as target,
        ):
            shutil.copyfileobj(source, target, CHUNK)
        packed.chmod(stat.S_IMODE(status.st_mode))
        os.utime(packed, (status.st_mtime, status.st_mtime))
        packed.replace(f"{part}.gz")
        part.unlink()
    except FileNotFoundError:
        packed.unlink(missing_ok=True)  # Pruned meanwhile.
    except OSError:
        packed.unlink(missing_ok=True)
        raise
