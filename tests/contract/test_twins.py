"""What stands in both services, as neither imports the other, stays the same in both."""

import importlib
import inspect

import pytest

WHOLE = [
    "background",
    "doctor.brief_server",
    "head_limit",
    "heavy",
    "log_file",
    "login",
    "metrics.registry",
    "metrics.requests",
    "request_id",
    "shutdown",
    "start_failure",
]
PARTS = {"large_texts": ["joined", "replaced", "fingerprint", "_digest", "json_length"]}


def source(service: str, module: str, name: str | None = None) -> str:
    """With the service's own name left out."""
    found = importlib.import_module(f"{service}.{module}")
    text = inspect.getsource(getattr(found, name) if name else found)
    return text.replace(service, "")


@pytest.mark.parametrize("module", WHOLE)
def test_module_is_the_same(module: str) -> None:
    assert source("backend", module) == source("gpu_server", module)


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in PARTS.items() for n in names])
def test_function_is_the_same(module: str, name: str) -> None:
    assert source("backend", module, name) == source("gpu_server", module, name)
