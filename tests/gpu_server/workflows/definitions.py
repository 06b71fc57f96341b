"""What ComfyUI says of its nodes, as recorded, and as some say it."""

from functools import cache
from typing import Any

from gpu_server.workflows.object_info import ObjectInfo
from tests.fake_comfyui.recorded import recorded

VERSIONS = ("0.3.64", "0.33.0")

MODELS = {
    "CheckpointLoaderSimple": {"ckpt_name": ["sd_xl_base_1.0.safetensors", "v1-5.safetensors"]},
    "UpscaleModelLoader": {"model_name": ["RealESRGAN_x4plus.pth"]},
}


def described(
    required: dict[str, Any], outputs: tuple[str, ...] = (), output_node: bool = False, **more: Any
) -> dict[str, Any]:
    """One class, as `/object_info` has it."""
    return {
        "input": {"required": required, **more},
        "output": [*outputs],
        "output_name": [*outputs],
        "output_node": output_node,
    }


PRIMITIVES = {
    "PrimitiveInt": described({"value": ["INT", {"min": -100, "max": 2**63 - 1}]}, ("INT",)),
    "PrimitiveString": described({"value": ["STRING", {}]}, ("STRING",)),
    "ImageCompositeMasked": described(
        {"destination": ["IMAGE"], "source": ["IMAGE"], "x": ["INT"], "y": ["INT"]}, ("IMAGE",)
    ),
}


@cache
def installed(version: str = "0.33.0") -> ObjectInfo:
    """A ComfyUI of this version that has a few models."""
    body = {**recorded(version).object_info, **PRIMITIVES}
    for class_type, inputs in MODELS.items():
        given = body[class_type]["input"]["required"]
        changed = {name: [options, {}] for name, options in inputs.items()}
        body[class_type] = {
            **body[class_type],
            "input": {"required": {**given, **changed}},
        }
    return ObjectInfo.parse(body)
