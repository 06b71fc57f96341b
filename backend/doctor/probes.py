"""What a service that runs says of itself: `python -m backend.doctor.probes SERVICE URL`.

Of either service, as both answer `/livez` and `/readyz` alike. Needs no settings, so a wrong one
does not hide what runs. Where nothing answers, nothing is said: `startup.sh` knows that already.
"""

import asyncio
import sys
from typing import Any

import httpx

from backend.doctor.finding import Finding, red, yellow
from backend.services.readiness import PAUSED

SECONDS = 3.0
"""That a probe may take: its own checks have two."""
ANEW = "./startup.sh restart {service}"
RESUME = "curl -X DELETE {url}/drain (where keys are on, with -H 'X-API-Key: …' of an admin)"


def client(url: str, **options: Any) -> httpx.AsyncClient:
    """Of a service of this machine, which no certificate names."""
    return httpx.AsyncClient(base_url=url, trust_env=False, verify=False, **options)  # noqa: S501


async def told(http: httpx.AsyncClient, path: str) -> dict[str, list[tuple[str, str]]]:
    """`reasons` and `notes` of a probe, each a check and its words; empty where there are none."""
    try:
        answer = (await http.get(path, timeout=SECONDS)).json()
    except (httpx.HTTPError, ValueError):
        return {}
    if not isinstance(answer, dict):
        return {}
    return {
        kind: [(str(each.get("check")), str(each.get("detail"))) for each in answer[kind]]
        for kind in ("reasons", "notes")
        if kind in answer
    }


async def look(service: str, url: str) -> list[Finding]:
    """One finding for each reason and each note."""
    async with client(url) as http:
        alive, ready = await asyncio.gather(told(http, "/livez"), told(http, "/readyz"))
    dead = alive.get("reasons", [])
    anew = ANEW.format(service=service)
    found = [red(service, f"is dead ({check}): {detail}", anew) for check, detail in dead]
    for check, detail in ready.get("reasons", []):
        if (check, detail) not in dead:
            way_out = RESUME.format(url=url) if detail == PAUSED else ""
            found.append(red(service, f"is not ready ({check}): {detail}", way_out))
    found += [yellow(service, f"{check}: {detail}") for check, detail in ready.get("notes", [])]
    return found


if __name__ == "__main__":
    for finding in asyncio.run(look(*sys.argv[1:])):
        print(finding.line())  # noqa: T201 - that is what it is for
