"""Small graphs in ComfyUI's API format."""

from typing import Any

Graph = dict[str, dict[str, Any]]

CHECKPOINT = "random-sd15.safetensors"


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def empty_image(**changes: Any) -> dict[str, Any]:
    inputs = {"width": 64, "height": 48, "batch_size": 1, "color": 0x336699}
    return node("EmptyImage", **{**inputs, **changes})


def save(source: str, prefix: str = "out", slot: int = 0) -> dict[str, Any]:
    return node("SaveImage", images=[source, slot], filename_prefix=prefix)


def image_graph(prefix: str = "out", **changes: Any) -> Graph:
    return {"1": empty_image(**changes), "2": save("1", prefix)}


def sampling_graph(
    prefix: str = "out",
    text: str = "a lighthouse at dawn",
    size: tuple[int, int] = (64, 64),
    **sampler: Any,
) -> Graph:
    settings = {
        "seed": 42,
        "steps": 4,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    links = {
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return {
        "3": node("KSampler", **{**settings, **links, **sampler}),
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("EmptyLatentImage", width=size[0], height=size[1], batch_size=1),
        "6": node("CLIPTextEncode", text=text, clip=["4", 1]),
        "7": node("CLIPTextEncode", text="blurry", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": save("8", prefix),
    }


def controlled_inpainting_graph(mask: str) -> Graph:
    """LoRA, control net, mask and the advanced sampler at once."""
    lora = {"lora_name": "fake-style.safetensors", "strength_model": 1, "strength_clip": 1}
    span = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    prompts = {"positive": ["6", 0], "negative": ["6", 0]}
    controlled = {"positive": ["10", 0], "negative": ["10", 1]}
    painted = {"pixels": ["1", 0], "mask": ["8", 0], "grow_mask_by": 6}
    steps = {"steps": 4, "start_at_step": 0, "end_at_step": 10000}
    noise = {"add_noise": "enable", "noise_seed": 1, "return_with_leftover_noise": "disable"}
    sampler = {"cfg": 5, "sampler_name": "euler", "scheduler": "normal", **steps, **noise}
    return {
        "1": empty_image(),
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("LoraLoader", model=["4", 0], clip=["4", 1], **lora),
        "6": node("CLIPTextEncode", text="x", clip=["5", 1]),
        "8": node("LoadImageMask", image=mask, channel="red"),
        "9": node("ControlNetLoader", control_net_name="fake-canny.safetensors"),
        "10": node(
            "ControlNetApplyAdvanced", control_net=["9", 0], image=["1", 0], **prompts, **span
        ),
        "11": node("VAEEncodeForInpaint", vae=["4", 2], **painted),
        "12": node(
            "KSamplerAdvanced", model=["5", 0], latent_image=["11", 0], **controlled, **sampler
        ),
        "13": node("VAEDecode", samples=["12", 0], vae=["4", 2]),
        "14": save("13"),
    }
