"""What the parameters of common names do, for clients who do not know ComfyUI."""

import re

ORDINAL = re.compile(r"_\d+$")

DESCRIPTIONS = {
    "prompt": "What the result shows.",
    "negative_prompt": "What it should not show.",
    "seed": "The same seed and parameters give the same result. Drawn where left out.",
    "steps": "Sampling steps: more take longer.",
    "cfg": "How closely the result follows the prompt.",
    "guidance": "How closely the result follows the prompt.",
    "denoise": "How much is made anew: 0 leaves all as it is, 1 keeps nothing.",
    "width": "Pixels.",
    "height": "Pixels.",
    "resize_width": "Pixels that the image is brought to.",
    "resize_height": "Pixels that the image is brought to.",
    "batch_size": "How many at once.",
    "length": "Frames.",
    "fps": "Frames a second.",
    "model": "A model file that ComfyUI has.",
    "lora": "A LoRA file that ComfyUI has.",
    "lora_strength": "How strongly the LoRA acts.",
    "upscale_model": "An upscaler's file that ComfyUI has.",
}


def plain_name(name: str) -> str:
    """The name without its number: `seed` of `seed_2`."""
    return ORDINAL.sub("", name)


def description(name: str) -> str | None:
    """What a parameter of this name does, where that is common knowledge."""
    return DESCRIPTIONS.get(plain_name(name))
