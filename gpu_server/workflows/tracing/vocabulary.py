"""What inputs are called in ComfyUI's nodes and in those of its popular packs."""

import re
from enum import Enum


class Role(str, Enum):
    """What a conditioning is for."""

    POSITIVE = "positive"
    NEGATIVE = "negative"

    @property
    def other(self) -> "Role":
        """The opposite."""
        return Role.NEGATIVE if self is Role.POSITIVE else Role.POSITIVE


def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{pattern})", re.I)


ROLE_WORD = {
    Role.POSITIVE: _names(r".*(^|[^a-z])(positive|pos|cond\d)($|[^a-z]).*"),
    Role.NEGATIVE: _names(r".*(^|[^a-z])(negative|neg)($|[^a-z]).*"),
}

# What is set: a parameter's name, and what nodes call that.

FIELDS = {
    "seed": _names(r"(noise_|base_|global_|rand_)?seed(_num|_value)?"),
    "steps": _names(r"(num_|sampling_|total_|desired_)?(inference_|sampling_)?steps(_total)?"),
    "cfg": _names(r"cfg(_scale|_conds|_value|_strength|_first)?|guidance_scale|cfg_cond2_negative"),
    "sampler_name": _names(r"(base_)?sampler(_name)?|sampler_type"),
    "scheduler": _names(r"(base_)?scheduler(_name|_func)?"),
    "denoise": _names(r"denois(e|ing)(_strength|_amount)?"),
}
"""The settings of a sampler."""

GUIDANCE = _names(r"(flux_|distilled_)?guidance|embedded_guidance_scale")

_OF_SIZE = r"(empty_latent_|empty_|image_|latent_|generation_|video_)?"
SIZE_FIELDS = {
    "width": _names(rf"{_OF_SIZE}width|image_w"),
    "height": _names(rf"{_OF_SIZE}height|image_h"),
    "batch_size": _names(r"batch_size|batch|num_images|images_per_prompt"),
    "length": _names(r"length|(num_|video_)?frames|num_of_frames|frame_count|frames_number"),
}
FPS = _names(r"(output_)?fps|frame_?rate")

# Texts.

ENCODER_TEXT = _names(r"clip_[lg]|text_[lg]|t5(xxl)?|llama|bert|mt5xl|(wildcard|populated)_text")
"""Inputs of one encoder that take the same text, each for another part of the model."""

TEXT_WORD = _names(
    r"texts?|txt|prompts?|caption|tags|string|str|wildcard|positive|negative|body|instruction"
    r"|content|sentence"
)
NO_TEXT_WORD = _names(
    r"system|encode(r)?|model|type|name|mode|file|path|format|weight|interpretation|style"
    r"|normalization|template|delimiter|separator|device|tokens?|log|lora|prefix|suffix|folder|id"
    r"|key|language|translate|strength|scale|length|seed|index|count|replace|find|embeds"
)
PLAIN_TEXT = _names(r"value|string|str|text|txt|default(_value|_text)?|input|content|body|any")
PLAIN_NUMBER = _names(r"value|number|num|int(eger)?|float|val|default(_value)?|x[if]|input|a|any")

# Links, by what comes over them.

PASSED_ON = (
    r"|any(thing)?(_?\d+)?|value\d*|input_?\d*|source|on_(true|false)|.*_value|data|.*pipe.*"
    r"|(base_)?ctx|context|sdxl_tuple"
)
"""Links of nodes that only pass on what they get, whatever it is; a Reroute's has no name."""

CONDITIONING = _names(
    r".*cond(itioning)?(_?\d+|_(new|to|from|default|[a-z]))?|guider|.*(positive|negative).*|pos|neg"
    r"|(?!image|img|clip|vision|ip|face|audio|latent)[a-z0-9]+(_[a-z0-9]+)*_?embeds?|.*pipe.*"
    r"|(base_)?ctx.*|context.*|sdxl_tuple"
)
EMPTY_CONDITIONING = _names(r"empty.*|.*uncond.*")
ZEROED = re.compile(r"zero_?out", re.I)

IMAGE_LINK = _names(r"(?!latent)([a-z]+_)*(images?|pixels|video|frames)(_?\d+|_[a-z])?")
TEXT_MODEL_LINK = _names(r".*clip.*|t5|.*text_?encoder.*|.*pipe.*|.*conditioning.*")
NO_VALUE = _names(
    r".*(model|clip|vae|image|pixels|mask|latent|samples|control_?net|noise|sigmas|sampler|guider"
    r"|audio|video|vision|embeds?|hooks?|boolean|switch|select|index|condition|upscale).*|unet|cond"
)
"""Links that carry neither a text nor a number."""

ATTRIBUTES = _names(
    r"noise|sigmas?(_?\d+|_[a-z])?|sampler|guider|.*pipe.*|(ksampler_|sampler_)?(settings|config)"
    r"|options|params|(base_)?ctx|context|sdxl_tuple|scheduler|schedule"
)
"""Links to nodes that hold a sampler's settings for it."""

PATCHED_MODEL = _names(
    r"(?!upscale|clip|style|control|vae|text|t5|vision|motion|florence|sam|detect|bbox|segm)"
    r"([a-z0-9]+_)*model(_?\d+|_[a-z])?|unet|transformer"
)
MODEL_LINK = _names(rf"{PATCHED_MODEL.pattern}|guider|lora_stack|(prev_)?lora|{PASSED_ON}")
LATENT_LINK = _names(
    r"(optional_|init_)?([a-z]+_latent|latents?|samples?|pixels|images?)(_image|_?\d+|_[a-z])?"
    rf"|(image_|start_|init_)?(embeds?|frame)|destination|guider|{PASSED_ON}"
)

SHOWS = re.compile(r"show|display|preview|debug", re.I)
"""Nodes that pass a text on and show it."""


def is_text_name(name: str) -> bool:
    """Whether an input of this name holds a text for a model to read."""
    if ENCODER_TEXT.fullmatch(name):
        return True
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())
    return any(map(TEXT_WORD.fullmatch, words)) and not any(map(NO_TEXT_WORD.fullmatch, words))
