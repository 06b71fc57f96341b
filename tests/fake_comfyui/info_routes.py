"""What the server says about itself: system, features, nodes, models."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.fake_comfyui.answers import Json, fake_of


async def get_root(request: Request) -> Response:
    return HTMLResponse("<!doctype html><title>fake ComfyUI</title><p>This is the fake ComfyUI.")


async def get_system_stats(request: Request) -> Response:
    return Json(fake_of(request).system_stats)


async def get_features(request: Request) -> Response:
    return Json(fake_of(request).features)


async def get_object_info(request: Request) -> Response:
    catalog = fake_of(request).catalog
    return Json({name: catalog.info(name) for name in catalog.names()})


async def get_node_info(request: Request) -> Response:
    catalog = fake_of(request).catalog
    name = request.path_params["node_class"]
    return Json({name: catalog.info(name)} if name in catalog else {})


async def get_model_folders(request: Request) -> Response:
    return Json(fake_of(request).model_folders)


async def get_models(request: Request) -> Response:
    fake = fake_of(request)
    folder = request.path_params["folder"]
    if folder not in fake.model_folders:
        return Response(status_code=404)
    return Json(fake.options.model_folder(folder))


INFO_ROUTES = [
    Route("/", get_root, methods=["GET"]),
    Route("/system_stats", get_system_stats, methods=["GET"]),
    Route("/features", get_features, methods=["GET"]),
    Route("/object_info", get_object_info, methods=["GET"]),
    Route("/object_info/{node_class}", get_node_info, methods=["GET"]),
    Route("/models", get_model_folders, methods=["GET"]),
    Route("/models/{folder}", get_models, methods=["GET"]),
]
