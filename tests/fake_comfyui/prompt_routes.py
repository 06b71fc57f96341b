"""Prompts: queue, history, jobs."""

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fake_comfyui.answers import Json, fake_of, json_body
from tests.fake_comfyui.jobs import BadQuery, cancel_job, find_job, list_jobs
from tests.fake_comfyui.submission import submit


async def get_prompt(request: Request) -> Response:
    return Json(fake_of(request).queue_info())


async def post_prompt(request: Request) -> Response:
    status, answer = await submit(fake_of(request), await json_body(request))
    return Json(answer, status)


async def get_queue(request: Request) -> Response:
    return Json(fake_of(request).queue.as_json())


async def post_queue(request: Request) -> Response:
    queue, body = fake_of(request).queue, await json_body(request)
    if body.get("clear"):
        queue.clear()
    for prompt_id in body.get("delete", []):
        queue.delete(prompt_id)
    return Response()


async def post_interrupt(request: Request) -> Response:
    """With an id, only if that prompt runs; the answer does not tell."""
    fake = fake_of(request)
    try:
        prompt_id = (await json_body(request)).get("prompt_id")
    except json.JSONDecodeError:
        prompt_id = None
    running = fake.queue.running
    if not prompt_id or (running is not None and running.prompt_id == prompt_id):
        fake.interruption.request()
    return Response()


async def get_history(request: Request) -> Response:
    query = request.query_params
    max_items = int(query["max_items"]) if "max_items" in query else None
    offset = int(query.get("offset", -1))
    return Json(fake_of(request).queue.history_page(max_items, offset))


async def get_history_entry(request: Request) -> Response:
    prompt_id = request.path_params["prompt_id"]
    history = fake_of(request).queue.history
    return Json({prompt_id: history[prompt_id]} if prompt_id in history else {})


async def post_history(request: Request) -> Response:
    queue, body = fake_of(request).queue, await json_body(request)
    if body.get("clear"):
        queue.history.clear()
    for prompt_id in body.get("delete", []):
        queue.history.pop(prompt_id, None)
    return Response()


async def post_free(request: Request) -> Response:
    body = await json_body(request)
    if body.get("free_memory"):
        fake_of(request).executor.request_free()
    return Response()


async def get_jobs(request: Request) -> Response:
    try:
        return Json(list_jobs(fake_of(request).queue, request.query_params))
    except BadQuery as problem:
        return Json({"error": str(problem)}, 400)


async def get_job(request: Request) -> Response:
    job = find_job(fake_of(request).queue, request.path_params["job_id"])
    return Json({"error": "Job not found"}, 404) if job is None else Json(job)


async def post_cancel(request: Request) -> Response:
    fake = fake_of(request)
    job_id = request.path_params["job_id"]
    return Json({"cancelled": cancel_job(fake.queue, job_id, fake.interruption.request)})


PROMPT_ROUTES = [
    Route("/prompt", get_prompt, methods=["GET"]),
    Route("/prompt", post_prompt, methods=["POST"]),
    Route("/queue", get_queue, methods=["GET"]),
    Route("/queue", post_queue, methods=["POST"]),
    Route("/interrupt", post_interrupt, methods=["POST"]),
    Route("/history", get_history, methods=["GET"]),
    Route("/history", post_history, methods=["POST"]),
    Route("/history/{prompt_id}", get_history_entry, methods=["GET"]),
    Route("/free", post_free, methods=["POST"]),
]

# Named with /api in the real one too, unlike the rest, which has both spellings.
JOB_ROUTES = [
    Route("/api/jobs", get_jobs, methods=["GET"]),
    Route("/api/jobs/{job_id}", get_job, methods=["GET"]),
    Route("/api/jobs/{job_id}/cancel", post_cancel, methods=["POST"]),
]
