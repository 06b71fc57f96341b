"""Both OpenAPI documents: complete, and as their stored copies are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import backend.errors
import gpu_server.errors
from tests.openapi import MADE_WITH, STORED, document

METHODS = ("get", "put", "post", "delete")
PROBES = ("GET /livez", "GET /readyz", "GET /health")
HOW = "If it is meant to have changed: python -m tests.openapi"
UNTOLD = {
    "BackendError",
    "GPUServiceError",
    "GPUServiceRefused",
    "GPUServiceUnreachable",
    "GPUServiceLetGo",
    "GPUServiceTimeout",
    "Unauthenticated",
    "DataFolderInUse",
    "DatabaseUnusable",
    "OutputsUnusable",
    "StylesInvalid",
    "TLSUnusable",
    "GenerationFailed",
    "OriginRefused",
    "InternalError",
    "ComfyUIError",
    "ComfyUIExecutionFailed",
}
"""Roots; and errors of a start, of a task, of a socket, which no HTTP route answers with."""

each_service = pytest.mark.parametrize("service", STORED)


def stored(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(STORED[service].read_text())
    return found


def operations(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in whole["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def outline(whole: dict[str, Any]) -> dict[str, Any]:
    """What every version of the framework renders alike."""
    return {
        name: {
            "id": each["operationId"],
            "parameters": sorted(
                (p["in"], p["name"], p["required"]) for p in each.get("parameters", ())
            ),
            "takes": sorted(each.get("requestBody", {}).get("content", {})),
            "answers": {
                status: sorted(answer.get("content", {}))
                for status, answer in each["responses"].items()
            },
        }
        for name, each in operations(whole)
    }


def coded(module: Any) -> list[tuple[Any, str]]:
    """The module's error classes that have a code of their own."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
    return [
        (kind, vars(kind)["code"])
        for kind in kinds
        if issubclass(kind, Exception) and isinstance(vars(kind).get("code"), str)
    ]


@each_service
def test_outline_is_as_stored(service: str) -> None:
    assert json.loads(json.dumps(outline(document(service)))) == json.loads(
        json.dumps(outline(stored(service)))
    ), HOW


@each_service
def test_document_is_as_stored_where_the_same_framework_renders_it(service: str) -> None:
    now, then = document(service), stored(service)
    if now[MADE_WITH] == then[MADE_WITH]:
        assert json.loads(json.dumps(now)) == then, HOW
    else:
        assert set(now["components"]["schemas"]) >= {"Problem"}


@each_service
def test_every_operation_is_described(service: str) -> None:
    ids = []
    for name, operation in operations(document(service)):
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert operation["tags"], name
        ids.append(operation["operationId"])
        for parameter in operation.get("parameters", ()):
            known = parameter["name"].lower() in ("last-event-id", "if-none-match", "accept")
            assert "description" in parameter or known, (name, parameter["name"])
    assert len(ids) == len(set(ids))


@each_service
def test_every_error_has_an_example(service: str) -> None:
    for name, operation in operations(document(service)):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and name not in PROBES:
                [content] = answer["content"].values()
                assert content["examples"], (name, status)
                assert "`" in answer["description"], (name, status)


@pytest.mark.parametrize(
    ("service", "module"), [("backend", backend.errors), ("gpu_server", gpu_server.errors)]
)
def test_every_error_is_documented_where_it_can_come(service: str, module: Any) -> None:
    text = json.dumps(document(service))
    codes = {kind.__name__: code for kind, code in coded(module) if kind.__name__ not in UNTOLD}
    assert [name for name, code in codes.items() if f"`{code}`" not in text] == []


@pytest.mark.parametrize("code", ["api_key_missing", "scope_missing", "rate_limited"])
def test_every_guarded_operation_says_what_it_asks_for(code: str) -> None:
    for name, operation in operations(document("backend")):
        if operation["tags"][0] not in ("health", "probes", "access"):
            assert f"`{code}`" in json.dumps(operation["responses"]), name
            assert operation["security"] == [{"bearer": []}, {"api_key": []}], name


def test_codes_and_their_statuses_are_the_same_on_both_services() -> None:
    def of(module: Any) -> dict[str, int]:
        return {code: kind.status for kind, code in coded(module)}

    ours = of(backend.errors)
    theirs = of(gpu_server.errors)
    shared = ours.keys() & theirs.keys()
    assert {"output_not_found", "service_stopping"} <= shared
    assert {code: ours[code] for code in shared} == {code: theirs[code] for code in shared}
