"""What a running service says of itself, as the doctor tells it."""

from typing import Any

import httpx
import pytest
import respx

from backend.doctor.finding import Finding, Level
from backend.doctor.probes import look
from backend.services.readiness import PAUSED, STOPPING

URL = "http://backend.test:8000"


def one(check: str, detail: str) -> list[dict[str, str]]:
    return [{"check": check, "detail": detail}]


async def looked(router: respx.MockRouter, livez: Any, readyz: Any) -> list[Finding]:
    for path, answer in (("livez", livez), ("readyz", readyz)):
        status = 503 if isinstance(answer, dict) and answer.get("reasons") else 200
        router.get(f"{URL}/{path}").respond(status, json=answer)
    return await look("backend", URL)


async def test_what_is_well_is_not_told(respx_mock: respx.MockRouter) -> None:
    ready = {"status": "ready", "reasons": [], "notes": [], "checks": []}
    assert await looked(respx_mock, {"status": "ok", "reasons": []}, ready) == []


async def test_a_drain_is_red_and_says_how_it_ends(respx_mock: respx.MockRouter) -> None:
    [finding] = await looked(respx_mock, {}, {"reasons": one("draining", PAUSED)})
    assert finding.level is Level.RED
    assert finding.text == f"is not ready (draining): {PAUSED}"
    assert finding.way_out.startswith(f"curl -X DELETE {URL}/drain ")


async def test_a_stop_cannot_be_taken_back(respx_mock: respx.MockRouter) -> None:
    [finding] = await looked(respx_mock, {}, {"reasons": one("draining", STOPPING)})
    assert finding.way_out == ""


async def test_notes_are_yellow(respx_mock: respx.MockRouter) -> None:
    notes = one("comfyui", "ComfyUI does not answer.")
    [finding] = await looked(respx_mock, {}, {"reasons": [], "notes": notes})
    assert finding.level is Level.YELLOW
    assert finding.text == "comfyui: ComfyUI does not answer."


async def test_what_has_died_is_told_once(respx_mock: respx.MockRouter) -> None:
    dead = one("worker", "A worker has died. Start the backend again.")
    [finding] = await looked(respx_mock, {"reasons": dead}, {"reasons": dead})
    assert finding.level is Level.RED
    assert finding.text.startswith("is dead (worker): A worker has died.")
    assert finding.way_out == "./startup.sh restart backend"


@pytest.mark.parametrize("answer", [{"detail": "Not Found"}, ["what"], "ready"])
async def test_other_answers_tell_nothing(respx_mock: respx.MockRouter, answer: Any) -> None:
    assert await looked(respx_mock, answer, answer) == []


async def test_no_answer_tells_nothing(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(host="backend.test").mock(side_effect=httpx.ReadTimeout)
    assert await look("backend", URL) == []
