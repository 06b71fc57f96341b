"""Scratch workspaces: one that tests share, with the real services up, and one for a test alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.startup.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace in which nothing was started yet, in a path with a space."""
    scratch = Workspace(tmp_path / "a workspace")
    yield scratch
    scratch.clean_up()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace that tests use one after the other."""
    scratch = Workspace(tmp_path_factory.mktemp("shared") / "a workspace")
    yield scratch
    scratch.clean_up()


@pytest.fixture
def running(shared: Workspace) -> Workspace:
    """The shared workspace with both services up, whatever the test before did to them."""
    if not shared.is_up():
        result = shared.run()
        assert result.returncode == 0, result.stdout + result.stderr
    return shared


@pytest.fixture(scope="package")
def shared_stand_ins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace of two programs that only look like the services."""
    scratch = Workspace(tmp_path_factory.mktemp("stand-ins") / "a workspace")
    scratch.stand_in()
    yield scratch
    scratch.clean_up()


@pytest.fixture
def quick(shared_stand_ins: Workspace) -> Workspace:
    """The workspace of the stand-ins, both up, whatever the test before did to them."""
    shared_stand_ins.stand_in()
    if not shared_stand_ins.is_up():
        result = shared_stand_ins.run()
        assert result.returncode == 0, result.stdout + result.stderr
    return shared_stand_ins
