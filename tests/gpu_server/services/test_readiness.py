"""Both services tell how they are in the same way."""

from pathlib import Path

from gpu_server.services.checks import DEAD, has_died, still_listens
from gpu_server.services.readiness import Liveness, Readiness

ROOT = Path(__file__).resolve().parents[3]
TWINS = {
    "services/readiness.py": "services/readiness.py",
    "schemas/response_probe.py": "schemas/probe_response.py",
}


class Silent:
    """An engine whose socket nobody keeps open any more."""

    alive = False


def plain(text: str) -> list[str]:
    """Its lines, but for what each service calls by its own name."""
    own = ("import", "GPUServiceError", "BackendError", "GPU service", "What `notes`")
    return [line for line in text.splitlines() if not any(word in line for word in own)]


def test_readiness_is_the_backend_s() -> None:
    for ours, theirs in TWINS.items():
        backend, gpu_server = (ROOT / "backend" / ours, ROOT / "gpu_server" / theirs)
        assert plain(backend.read_text()) == plain(gpu_server.read_text())


async def test_engine_that_listens_no_more_is_to_be_started_again() -> None:
    silent = Silent()
    readiness = await Readiness({"socket": still_listens(silent)}).look()
    assert [each.detail for each in readiness.reasons] == [DEAD]
    assert Liveness({"socket": has_died(silent)}).look().status == "dead"
