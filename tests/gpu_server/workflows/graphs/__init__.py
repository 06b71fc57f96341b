"""Small graphs in the shapes that people export, each with the parameters to be found in it."""

from dataclasses import dataclass
from typing import Any, TypeVar

from gpu_server.workflows.graph import Graph

V = TypeVar("V")


@dataclass(frozen=True)
class Kind:
    """A graph, and by parameter where its value goes: `node.input`, several with commas."""

    graph: Graph
    table: dict[str, str]


def node(class_type: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    """One node as ComfyUI exports it."""
    exported: dict[str, Any] = {"class_type": class_type, "inputs": inputs}
    return exported if title is None else {**exported, "_meta": {"title": title}}


def text(words: str, clip: str = "model", output: int = 1) -> dict[str, Any]:
    """A text encoder."""
    return node("CLIPTextEncode", text=words, clip=[clip, output])


def sampler(**inputs: Any) -> dict[str, Any]:
    """A KSampler with the usual links and literals."""
    usual: dict[str, Any] = {
        "seed": 1,
        "steps": 20,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["model", 0],
        "positive": ["good", 0],
        "negative": ["bad", 0],
        "latent_image": ["size", 0],
    }
    return node("KSampler", **{**usual, **inputs})


def reroute(link: list[Any]) -> dict[str, Any]:
    """A Reroute, whose one input has no name."""
    return {"class_type": "Reroute", "inputs": {"": link}}


def saved(samples: str = "sampler") -> Graph:
    """What follows a sampler."""
    return {
        "decode": node("VAEDecode", samples=[samples, 0], vae=["model", 2]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
    }


MODEL = node("CheckpointLoaderSimple", ckpt_name="sd.safetensors")
SIZE = node("EmptyLatentImage", width=512, height=512, batch_size=1)

PLAIN: Graph = {
    "sampler": sampler(),
    "model": MODEL,
    "size": SIZE,
    "good": text("a cat"),
    "bad": text("blurry"),
    **saved(),
}

SETTINGS = {
    name: f"sampler.{name}"
    for name in ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")
}
SIZES = {name: f"size.{name}" for name in ("width", "height", "batch_size")}
TEXTS = {"prompt": "good.text", "negative_prompt": "bad.text"}
PLAIN_TABLE = {**TEXTS, **SETTINGS, **SIZES, "model": "model.ckpt_name"}


def without(table: dict[str, V], *names: str) -> dict[str, V]:
    """A table less these parameters, or a graph less these nodes."""
    return {name: targets for name, targets in table.items() if name not in names}
