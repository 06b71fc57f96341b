"""The dashboard and the alerts ask for metrics that the services have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import respx
import yaml
from prometheus_client import CollectorRegistry

from backend.metrics.standing import Standing, StandingCollector
from tests.backend.gpu_service import GPUService
from tests.backend.services.working import problem
from tests.backend.serving import ended, make_settings
from tests.backend.serving import serving as serving_backend
from tests.conditions import eventually
from tests.exposition import Exported, exported
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import jobs_of
from tests.gpu_server.serving import running as running_gpu_server
from tests.promql import named

MONITORING = Path(__file__).resolve().parents[2] / "backend" / "monitoring"
ALERTS: dict[str, Any] = yaml.safe_load((MONITORING / "alerts.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
OF_PROMETHEUS = {"job", "instance"}
"""Labels that every metric has once it is scraped."""
NOWHERE = "http://127.0.0.1:9"
SEVERITIES = {"critical", "warning"}


def expressions() -> Iterator[tuple[str, str]]:
    """Each under the name of what asks it."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


async def of_a_backend(folder: Path) -> Exported:
    """After a task that was tried again, one that failed, and a webhook that nobody heard."""
    hook = {"url": "http://127.0.0.1:9/hook", "events": ["queued"]}
    with respx.mock(assert_all_called=False) as router:
        gpu = GPUService(router)
        router.route(host="127.0.0.1").pass_through()
        gpu.answers(problem(502), problem(422, code="invalid_parameter", retryable=False))
        settings = make_settings(folder, outbound_allow="127.0.0.1")
        async with serving_backend(settings) as client:
            for _ in range(2):
                reply = await client.post("/generate", json={"mode": "free", "webhook": hook})
                await ended(client, reply.json()["task_id"])
            await client.get(f"/tasks/{reply.json()['task_id']}/events")

            async def tried() -> Exported | None:
                seen = Exported((await client.get("/metrics")).text)
                return seen if seen.labels("gateway_webhook_tries_total") else None

            found: Exported = await eventually(tried)
    return found


async def of_a_gpu_service(fake: FakeComfyUI) -> Exported:
    """After a job that ran out of memory once, and one that failed."""
    fake.faults.set("oom", count=1)
    async with running_gpu_server(fake.url) as service:
        jobs = jobs_of(service)
        await jobs.done(await jobs.start())
        fake.faults.set("execution_error", count=1)
        await jobs.ended(await jobs.start())
        return Exported((await service.http.get("/metrics")).text)


def of_a_shared_store() -> Exported:
    """What only several machines have."""
    registry = CollectorRegistry()
    StandingCollector(registry, str).standing = Standing(0.0, workers=1)
    return exported(registry)


async def test_dashboard_and_alerts_name_only_what_there_is(
    fake: FakeComfyUI, tmp_path: Path
) -> None:
    there: dict[str, set[str]] = {"up": set()}
    for seen in (
        await of_a_backend(tmp_path),
        await of_a_gpu_service(fake),
        of_a_shared_store(),
    ):
        for name, labels in seen.names().items():
            there[name] = there.get(name, set()) | labels | OF_PROMETHEUS
    there["up"] = OF_PROMETHEUS
    labels_of_all = set[str]().union(*there.values())
    asked = {metric for _, expression in expressions() for metric in named(expression).metrics}
    assert len(asked) > 25
    assert sorted(asked - set(there)) == []
    ours = {name for name in there if name.startswith("gateway_")}
    counted = {name for name in ours if not name.endswith(("_sum", "_count"))}
    assert sorted(counted - asked) == [], "what nobody looks at need not be counted"
    for name, expression in expressions():
        found = named(expression)
        for metric, labels in found.matched.items():
            assert labels <= there[metric], (name, metric)
        assert found.grouped <= labels_of_all, name
        grouped = found.grouped - {"le"} - OF_PROMETHEUS
        assert any(grouped <= there[metric] for metric in found.metrics), name


async def test_each_check_that_has_to_be_well_has_an_alert(
    fake: FakeComfyUI, tmp_path: Path
) -> None:
    matched = re.findall(r'gateway_check_ok{check=~?"(.+?)"}', " ".join(r["expr"] for r in RULES))
    watched = {name for names in matched for name in names.split("|")}
    async with (
        serving_backend(make_settings(tmp_path, gpu_service_url=NOWHERE)) as backend,
        running_gpu_server(fake.url) as service,
    ):
        checks = (await backend.get("/readyz")).json()["checks"]
        checks += (await service.http.get("/readyz")).json()["checks"]
    # ComfyUI has an alert by another metric.
    assert {each["check"] for each in checks if each["needed"]} == watched | {"comfyui"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["annotations"]["description"].endswith(".")
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}


def test_panels_have_places_and_names_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)


def test_dashboard_asks_the_prometheus_that_is_chosen() -> None:
    [variable] = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert {each["datasource"]["uid"] for each in panel["targets"]} == {"${datasource}"}


@pytest.mark.parametrize(
    ("expression", "metrics", "matched", "grouped"),
    [
        ('a{b="c", d=~"e|f"} > 2e9', {"a"}, {"a": {"b", "d"}}, set()),
        ("sum by (x, y) (rate(a_total[5m])) / on (z) b and c", {"a_total", "b", "c"}, {}, "xyz"),
        (
            'max(a) == 0 or predict_linear(b{c="]}"}[6h], 12 * 3600) < 0',
            {"a", "b"},
            {"b": {"c"}},
            "",
        ),
    ],
)
def test_names_in_an_expression_are_found(
    expression: str, metrics: set[str], matched: dict[str, set[str]], grouped: str
) -> None:
    found = named(expression)
    assert (found.metrics, found.matched, found.grouped) == (metrics, matched, set(grouped))
