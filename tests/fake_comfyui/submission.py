"""What happens to a POST /prompt."""

import asyncio
import uuid
from typing import Any

from tests.fake_comfyui.faults import Fault
from tests.fake_comfyui.findings import error
from tests.fake_comfyui.graph import GraphCheck, Verdict
from tests.fake_comfyui.options import Version
from tests.fake_comfyui.queue import QueueItem
from tests.fake_comfyui.recorded import Json
from tests.fake_comfyui.state import FakeComfyUI, SubmittedPrompt

SLOW_PROMPT_SECONDS = 1.0


async def submit(fake: FakeComfyUI, body: Json) -> tuple[int, Json]:
    """The status and body of the answer."""
    number = _number(fake, body)
    if "prompt" not in body:
        missing = "No prompt provided"
        return 400, {"error": error("no_prompt", missing, missing), "node_errors": {}}
    prompt_id = body.get("prompt_id")
    if prompt_id is None:
        prompt_id = str(uuid.uuid4())
    elif fake.version is Version.NEW and not _is_canonical_uuid(prompt_id):
        problem = error("invalid_prompt_id", "prompt_id must be a valid UUID")
        return 400, {"error": problem, "node_errors": {}}
    graph = body["prompt"]
    verdict = GraphCheck(graph, fake.catalog, fake.files, fake.version).verdict()
    fake.prompts.append(SubmittedPrompt(str(prompt_id), graph, body, verdict.error is None))
    if verdict.error is not None:
        return 400, {"error": verdict.error, "node_errors": verdict.node_errors}
    if fake.faults.take(Fault.NODE_ERRORS):
        verdict = _one_output_dropped(graph, verdict)
    if not fake.faults.take(Fault.LOST_PROMPT):
        extra_data = _extra_data(fake, body)
        fake.queue.put(QueueItem(number, str(prompt_id), graph, extra_data, verdict.outputs))
    slow = fake.faults.take(Fault.SLOW_PROMPT)
    if slow:
        await asyncio.sleep(SLOW_PROMPT_SECONDS if slow.value is None else slow.value)
    answer = {"prompt_id": str(prompt_id), "number": number, "node_errors": verdict.node_errors}
    return 200, answer


def _number(fake: FakeComfyUI, body: Json) -> float:
    """Every submission without a number of its own uses one up, refused or not."""
    if "number" in body:
        return float(body["number"])
    number = -fake.number if body.get("front") else fake.number
    fake.number += 1
    return number


def _is_canonical_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _extra_data(fake: FakeComfyUI, body: Json) -> Json:
    extra_data = dict(body.get("extra_data", {}))
    if "client_id" in body:
        extra_data["client_id"] = body["client_id"]
    if fake.version is Version.NEW:
        extra_data["create_time"] = fake.create_time()
    return extra_data


def _one_output_dropped(graph: Json, verdict: Verdict) -> Verdict:
    """The last output is reported invalid; the only output would still run."""
    *kept, dropped = verdict.outputs
    finding = error(
        "exception_during_validation",
        "Exception when validating node",
        "The fake was told to drop this output.",
    )
    entry = {
        "errors": [finding],
        "dependent_outputs": [dropped],
        "class_type": graph[dropped]["class_type"],
    }
    return Verdict(None, kept or [dropped], {**verdict.node_errors, dropped: entry})
