"""OWASP API3 and API8 (2023): secrets in metrics."""

import httpx
import pytest

from backend.access import Scope
from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.routers.keys import a_key
from tests.backend.serving import ended, serving
from tests.exposition import Exported, words

PROMPT, MODE, PATH = "a prompt of mine", "a mode of mine", "a-path-of-mine"
SECRETS = {
    "gpu_service_secret": "a secret of the GPU service",
    "webhook_secret": "whsec_" + "c2VjcmV0" * 6,
}
PASSWORD = "a-password-of-mine"


async def used(client: httpx.AsyncClient, key: dict[str, str]) -> str:
    """Requests that carry all that is nobody's business; the id of a task."""
    body = {"mode": "free", "prompt": PROMPT, "extra_params": {"negative_prompt": PROMPT}}
    reply = await client.post("/generate", json=body, headers=key)
    await client.post("/generate", json={**body, "mode": MODE}, headers=key)
    await client.get(f"/{PATH}", headers=key)
    await client.get(f"/tasks/{PATH}", params={"key": PATH}, headers=key)
    await client.request(f"BREW-{PATH}", "/generate", headers={**key, "X-Api-Key": PATH})
    task_id: str = reply.json()["task_id"]
    client.headers.update(key)
    await ended(client, task_id)
    return task_id


@pytest.mark.parametrize("accept", ["*/*", "application/openmetrics-text; version=1.0.0"])
async def test_api8_no_secret_prompt_key_or_path_is_in_metrics(
    settings: Settings, gpu: GPUService, accept: str
) -> None:
    url = settings.gpu_service_url.replace("//", f"//me:{PASSWORD}@")
    async with serving(settings, require_api_key=True, gpu_service_url=url, **SECRETS) as client:
        key = await a_key(settings)
        admin = await a_key(settings, Scope.ADMIN)
        task_id = await used(client, key)
        text = (await client.get("/metrics", headers={**admin, "Accept": accept})).text
    told = [PROMPT, MODE, PATH, PASSWORD, task_id, str(settings.data_path), *SECRETS.values()]
    told += [each["Authorization"].removeprefix("Bearer ") for each in (key, admin)]
    assert "gateway_tasks_submitted_total" in text
    assert [each for each in told if each in text] == []


async def test_api4_whatever_is_sent_makes_no_more_series(client: httpx.AsyncClient) -> None:
    async def series() -> set[str]:
        seen = Exported((await client.get("/metrics")).text)
        return {word for name in seen.names() for word in words(seen.labels(name))}

    async def noise(number: int) -> None:
        await client.get(f"/nothing/{number}")
        await client.get(f"/tasks/{number}")
        await client.request(f"BREW{number}", "/generate")
        reply = await client.post("/generate", json={"mode": f"mode {number}"})
        await ended(client, reply.json()["task_id"])

    await noise(0)
    await series()
    before = await series()
    for number in range(1, 10):
        await noise(number)
    assert await series() == before
