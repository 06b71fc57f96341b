"""Both services tell how they are in the same way."""

from pathlib import Path

from gpu_server.services.checks import DEAD, has_died, still_listens
from gpu_server.services.readiness import Liveness, Readiness

ROOT = Path(__file__).resolve().parents[3]


class Silent:
    """An engine whose socket nobody keeps open any more."""

    alive = False


def after(folder: str, path: str, mark: str) -> str:
    """The text from a mark on, with one name for the root of both services' errors."""
    text = (ROOT / folder / path).read_text().replace("GPUServiceError", "BackendError")
    return text[text.index(mark) :]


def test_checks_are_asked_and_told_as_in_the_backend() -> None:
    ours, theirs = (
        after(folder, "services/readiness.py", "class Liveness")
        for folder in ("backend", "gpu_server")
    )
    assert ours == theirs
    assert after("backend", "schemas/response_probe.py", "class") == after(
        "gpu_server", "schemas/probe_response.py", "class"
    )


async def test_engine_that_listens_no_more_is_to_be_started_again() -> None:
    silent = Silent()
    readiness = await Readiness({"socket": still_listens(silent)}).look()
    assert [each.detail for each in readiness.reasons] == [DEAD]
    assert Liveness({"socket": has_died(silent)}).look().status == "dead"
