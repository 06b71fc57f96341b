"""The fake's own controls, for use by hand and from another process.

GET /fake/state tells everything; POST /fake/faults takes for example
`{"clear": "all", "set": ["drop_ws:once", "slow_view=2.5"]}`; `clear` may also be a list.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fake_comfyui import recorded
from tests.fake_comfyui.answers import Json, fake_of, json_body
from tests.fake_comfyui.faults import Fault, FaultSetting
from tests.fake_comfyui.state import FakeComfyUI


async def get_state(request: Request) -> Response:
    return Json(_state(fake_of(request)))


async def post_faults(request: Request) -> Response:
    """Clears first, then sets; 400 with the known names where one is unknown."""
    fake, body = fake_of(request), await json_body(request)
    try:
        settings = [FaultSetting.parse(text) for text in body.get("set", [])]
        cleared = list(Fault) if body.get("clear") == "all" else body.get("clear", [])
        for name in cleared:
            fake.faults.clear(name)
    except ValueError as problem:
        return Json({"error": str(problem), "faults": [fault.value for fault in Fault]}, 400)
    for setting in settings:
        fake.faults.set(setting.fault, setting.count, setting.value)
    return Json({"faults": _faults(fake)})


def _faults(fake: FakeComfyUI) -> list[recorded.Json]:
    return [
        {"fault": one.fault.value, "count": one.count, "value": one.value}
        for one in fake.faults.settings()
    ]


def _state(fake: FakeComfyUI) -> recorded.Json:
    return {
        "version": fake.version.value,
        "faults": _faults(fake),
        "open_sockets": fake.open_sockets,
        "requests": [
            {"method": one.method, "path": one.path, "params": one.params, "json": one.json}
            for one in fake.requests
        ],
        "prompts": [{"prompt_id": one.prompt_id, "accepted": one.accepted} for one in fake.prompts],
        "executed_prompts": fake.executed_prompts,
        "executed_nodes": fake.executed_nodes,
        "uploads": [one.as_json() for one in fake.uploads],
    }


CONTROL_ROUTES = [
    Route("/fake/state", get_state, methods=["GET"]),
    Route("/fake/faults", post_faults, methods=["POST"]),
]
