"""The log file: bounded, compressed, and not a line lost, whoever writes to it."""

import logging
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.log_file import LogFile, stdout_file
from tests.acceptance.processes import eventually
from tests.log_parts import all_compressed, parts, size_of, text_of, written

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"line (\d{6}) x+")
SIZE = 100
"""Bytes of one line, its end included."""


@contextmanager
def log_to(path: Path, max_bytes: int, keep: int) -> Iterator[Callable[[int], object]]:
    """Writes the line of a number through a handler of its own, on a descriptor of its own."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    handler = LogFile(path, max_bytes, keep, (fd,))
    try:
        yield lambda number: handler.handle(logging.makeLogRecord({"msg": line(number)}))
    finally:
        handler.close()
        os.close(fd)


def line(number: int) -> str:
    return f"line {number:06} ".ljust(SIZE - 1, "x")


def numbers(path: Path) -> list[int]:
    """Of all lines that are there, in order; each of them whole."""
    matches = [LINE.fullmatch(each) for each in written(path).splitlines()]
    assert all(matches)
    return [int(match[1]) for match in matches if match]


def test_no_line_is_lost_or_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with log_to(path, 10 * SIZE, 1000) as write:
        for number in range(1005):
            write(number)
        eventually(lambda: all_compressed(path))
    assert numbers(path) == list(range(1005))
    assert len(parts(path)) == 100


def test_disk_is_bounded_however_much_is_written(tmp_path: Path) -> None:
    """The flood is faster than any compression: parts that wait for theirs count, too."""
    path = tmp_path / "a.log"
    with log_to(path, 1000 * SIZE, 7) as write:
        for number in range(50_000):
            write(number)
            if number % 1000 == 0:
                assert size_of(path) <= 8000 * SIZE
        eventually(lambda: all_compressed(path))
        assert len(parts(path)) == 7
    kept = numbers(path)
    assert kept == list(range(kept[0], 50_000))
    assert len(kept) == 8000


def test_none_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with log_to(path, 10 * SIZE, 0) as write:
        for number in range(25):
            write(number)
    assert (numbers(path), parts(path)) == (list(range(20, 25)), [])


def test_line_that_is_too_long_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with log_to(path, SIZE // 2, 5) as write:
        write(1)
        write(2)
    assert numbers(path) == [1, 2]


def test_closed_one_touches_nothing_more(tmp_path: Path) -> None:
    """Its descriptor may be somebody else's by then."""
    looks, may_look = threading.Event(), threading.Event()

    class Slow(LogFile):
        def _look(self) -> None:
            looks.set()
            assert may_look.wait(45)
            super()._look()

    path = tmp_path / "a.log"
    path.write_text(f"{line(1)}\n")
    with path.open("ab") as file:
        handler = Slow(path, SIZE // 2, 5, (file.fileno(),))
        tending = next(each for each in threading.enumerate() if each.name == "log a.log")
        assert looks.wait(45)
        handler.close()
        may_look.set()
        tending.join()
        assert (numbers(path), parts(path)) == ([1], [])


def test_what_was_there_before_stays_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{line(number)}\n" for number in range(10)))
    with log_to(path, 10 * SIZE, 5) as write:
        write(10)
    assert numbers(path) == list(range(11))
    assert path.read_text() == f"{line(10)}\n"


def test_rights_stay_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with log_to(path, SIZE, 5) as write:
        path.chmod(0o604)
        for number in range(3):
            write(number)
        eventually(lambda: all_compressed(path))
    assert {stat.S_IMODE(each.stat().st_mode) for each in (path, *parts(path))} == {0o604}


@pytest.mark.parametrize("somebody", ["renames", "removes"])
def test_file_that_somebody_moves_away_is_begun_anew(tmp_path: Path, somebody: str) -> None:
    path, moved = tmp_path / "a.log", tmp_path / "moved"
    with log_to(path, 10 * SIZE, 5) as write:
        write(1)
        path.rename(moved) if somebody == "renames" else path.unlink()
        write(2)
    assert numbers(path) == [2]
    assert not moved.exists() or numbers(moved) == [1]


def test_two_writers_do_not_fight(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with log_to(path, 10 * SIZE, 1000) as one, log_to(path, 10 * SIZE, 1000) as other:
        for number in range(0, 1000, 2):
            one(number)
            other(number + 1)
        eventually(lambda: all_compressed(path))
    assert sorted(numbers(path)) == list(range(1000))


def test_writers_in_threads_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with log_to(path, 10 * SIZE, 10_000) as write:

        def some(first: int) -> None:
            for number in range(first, 1000, 4):
                write(number)

        threads = [threading.Thread(target=some, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        eventually(lambda: all_compressed(path))
    assert sorted(numbers(path)) == list(range(1000))


def test_what_a_crash_left_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    left = tmp_path / "a.log.20260101T000000.000000Z"
    left.write_text(f"{line(0)}\n")
    (tmp_path / f"{left.name}.half.tmp").write_text("half")
    with log_to(path, 10 * SIZE, 5) as write:
        write(1)
        eventually(lambda: all_compressed(path))
    assert numbers(path) == [0, 1]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    others = ["a.log.1", "a.log.old", "b.log.20260101T000000.000000Z"]
    for name in others:
        (tmp_path / name).write_text("x")
    with log_to(path, SIZE, 1) as write:
        for number in range(10):
            write(number)
        eventually(lambda: all_compressed(path) or len(parts(path)) == 1)
    assert all((tmp_path / name).read_text() == "x" for name in others)


def test_rotation_that_fails_stops_nobody(tmp_path: Path) -> None:
    """A new file cannot be made: all goes on where it went."""
    path = tmp_path / "a.log"
    (tmp_path / "a.log.new").mkdir()
    with log_to(path, 10 * SIZE, 5) as write:
        for number in range(30):
            write(number)
    assert (numbers(path), parts(path)) == (list(range(30)), [])


# As a process has it: descriptors that a shell opened.

PROGRAM = """
import logging, os, resource, signal, sys
from backend.utils.logging import setup_logging
from backend.log_file import stdout_file
handler = stdout_file(int(sys.argv[1]), 1000)
setup_logging("INFO", "standard", handler)
log = logging.getLogger("x")
"""


def run(program: str, path: Path, *, max_bytes: int = 5000, merged: bool = True) -> str:
    """Start it as the specification does, `> path 2>&1`: what else comes out is returned."""
    with path.open("wb") as out:
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM + program, str(max_bytes)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            check=True,
            timeout=30,
        )
    return "" if merged else ran.stderr.decode()


def test_all_that_a_process_says_is_there(tmp_path: Path) -> None:
    """Lines of logging, prints, and what goes to the descriptors past Python."""
    path = tmp_path / "a.log"
    run(
        "for n in range(500):\n"
        "    log.info('logged %d', n)\n"
        "    print('printed', n)\n"
        "    os.write(2, b'native %d\\n' % n)\n",
        path,
    )
    assert len(parts(path)) > 5
    for kind in ("logged", "printed", "native"):
        found = [each for each in written(path).splitlines() if f"{kind} " in each]
        assert [int(each.rpartition(" ")[2]) for each in found] == list(range(500))
    assert len(written(path).splitlines()) == 1500


def test_what_bypasses_logging_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    run("os.write(1, b'x' * 5000 + b'\\n'); log.info('after')", path)
    assert [text_of(each).strip("x\n") for each in parts(path)] == [""]
    assert path.read_text().endswith("| after\n")


def test_trace_that_ends_the_process_is_in_the_newest_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with pytest.raises(subprocess.CalledProcessError):
        run("for n in range(200): log.info('logged %d', n)\nraise ValueError('the end')", path)
    assert parts(path)
    assert "ValueError: the end" in path.read_text()


def test_stderr_that_goes_elsewhere_stays_there(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    program = "for n in range(200): log.info('logged %d', n)\nprint('beside', file=sys.stderr)"
    assert run(program, path, merged=False) == "beside\n"
    assert parts(path)
    assert "beside" not in path.read_text()


def test_full_disk_kills_nobody_and_is_told_of(tmp_path: Path) -> None:
    """A bound on the file's size stands for the disk's: a write ends half-way."""
    path = tmp_path / "a.log"
    run(
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))\n"
        "for n in range(100): log.info('logged %d', n)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "log.info('room again')\n",
        path,
        max_bytes=1_000_000,
    )
    lines = path.read_text().splitlines()
    before = [each for each in lines if re.fullmatch(r".* \| logged \d+", each)]
    assert lines[-1].endswith("| room again")
    lost = int(re.findall(r"(\d+) lines before this one could not be written", lines[-2])[0])
    # The one that was cut half-way is on a line of its own, and counts as lost.
    assert 100 - lost in (len(before), len(before) - 1)
    assert len(lines) - 2 - len(before) <= 1


def test_only_a_file_is_rotated() -> None:
    """Stdout of the tests is none of ours; a pipe and a terminal are none, either."""
    assert stdout_file(1000, 7) is None
    program = "import sys; from backend.log_file import *; print(stdout_file(1000, 7))"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True
    )
    assert ran.stdout == "None\n"


def test_no_bound_is_no_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    run("print(handler)\nfor n in range(200): log.info('logged %d', n)", path, max_bytes=0)
    assert (len(written(path).splitlines()), parts(path)) == (201, [])
