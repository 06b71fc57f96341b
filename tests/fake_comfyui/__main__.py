"""Start the fake ComfyUI by hand: `python -m tests.fake_comfyui --port 8188`."""

import argparse
import asyncio
import contextlib
import socket
import sys
from pathlib import Path

import uvicorn

from tests.fake_comfyui.app import create_app
from tests.fake_comfyui.faults import Fault, FaultSetting
from tests.fake_comfyui.options import FakeOptions, Version
from tests.fake_comfyui.server import listener, server_config


def parser() -> argparse.ArgumentParser:
    defaults = FakeOptions()
    arguments = argparse.ArgumentParser(
        prog="python -m tests.fake_comfyui",
        description="A ComfyUI without models or GPU, for tests and for trying things out.",
        epilog="Faults: " + ", ".join(fault.value for fault in Fault) + ".",
    )
    add = arguments.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8188, help="0 takes a free one and prints it")
    add("--version", type=Version, default=defaults.version, help="0.33.0 or 0.3.64")
    add("--job-seconds", type=float, default=0.0, help="how long one job takes")
    add("--models", nargs="*", default=defaults.models, help="checkpoint names")
    add("--loras", nargs="*", default=defaults.loras)
    add("--upscale-models", nargs="*", default=defaults.upscale_models)
    add("--controlnets", nargs="*", default=defaults.controlnets)
    add("--output-dir", type=Path, help="keep the pictures there; else they go with the fake")
    add("--executions", type=Path, help="a file that gets a line for each run and fetched file")
    add(
        "--fault",
        dest="faults",
        action="append",
        type=FaultSetting.parse,
        default=[],
        metavar="NAME[=VALUE][:once|:N|:always]",
        help="something to go wrong; may be repeated",
    )
    return arguments


def options(arguments: argparse.Namespace) -> FakeOptions:
    return FakeOptions(
        version=arguments.version,
        job_seconds=arguments.job_seconds,
        models=tuple(arguments.models),
        loras=tuple(arguments.loras),
        upscale_models=tuple(arguments.upscale_models),
        controlnets=tuple(arguments.controlnets),
        output_dir=arguments.output_dir,
        executions=arguments.executions,
        faults=tuple(arguments.faults),
    )


class AnnouncingServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        sys.stdout.write(f"fake ComfyUI listening on http://{host}:{port}\n")
        sys.stdout.flush()


def main() -> None:
    arguments = parser().parse_args()
    config = server_config(create_app(options(arguments)), log_level="warning")
    bound = listener(arguments.host, arguments.port)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(AnnouncingServer(config).serve(sockets=[bound]))


if __name__ == "__main__":
    main()
