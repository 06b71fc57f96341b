"""Texts: encoders with several inputs, conditioning chains, and what holds the words."""

from tests.gpu_server.workflows.graphs import (
    PLAIN,
    PLAIN_TABLE,
    SETTINGS,
    Kind,
    node,
    sampler,
    samplers,
    saved,
    text,
    without,
)

CLIP = ["model", 1]


def encoded(class_type: str, *inputs: str) -> Kind:
    """A prompt in all of these inputs of one encoder."""
    words = dict.fromkeys(inputs, "a cat")
    return Kind(
        {**PLAIN, "good": node(class_type, clip=CLIP, **words)},
        {**PLAIN_TABLE, "prompt": ",".join(f"good.{name}" for name in inputs)},
    )


FLUX_ENCODER = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncodeFlux", clip=CLIP, clip_l="cat", t5xxl="a cat", guidance=3.5),
    },
    {**PLAIN_TABLE, "prompt": "good.clip_l,good.t5xxl", "guidance": "good.guidance"},
)

CONTROLLED = Kind(
    {
        **PLAIN,
        "sampler": sampler(positive=["second", 0], negative=["second", 1]),
        "second": node(
            "ControlNetApplyAdvanced",
            strength=1.0,
            positive=["first", 0],
            negative=["first", 1],
            control_net=["net", 0],
            image=["lines", 0],
        ),
        "first": node(
            "ControlNetApplyAdvanced",
            strength=1.0,
            positive=["good", 0],
            negative=["bad", 0],
            control_net=["net", 0],
            image=["lines", 0],
        ),
        "net": node("ControlNetLoader", control_net_name="canny.safetensors"),
        "lines": node("Canny", image=["picture", 0], low_threshold=0.4, high_threshold=0.8),
        "picture": node("LoadImage", image="pose.png"),
    },
    {**PLAIN_TABLE, "image": "picture.image"},
)

COMBINED = Kind(
    {
        **PLAIN,
        "sampler": sampler(positive=["combined", 0]),
        "combined": node(
            "ConditioningCombine", conditioning_1=["joined", 0], conditioning_2=["left", 0]
        ),
        "joined": node(
            "ConditioningConcat", conditioning_to=["good", 0], conditioning_from=["style", 0]
        ),
        "style": text("a woodcut"),
        "left": node("ConditioningSetArea", conditioning=["tree", 0], width=64, height=64, x=0),
        "tree": text("a tree"),
    },
    {**PLAIN_TABLE, "prompt_2": "style.text", "prompt_3": "tree.text"},
)

REFERENCED = Kind(
    {
        **PLAIN,
        "sampler": sampler(positive=["guidance", 0], negative=["zero", 0]),
        "guidance": node("FluxGuidance", guidance=2.5, conditioning=["reference", 0]),
        "reference": node("ReferenceLatent", conditioning=["good", 0], latent=["encoded", 0]),
        "encoded": node("VAEEncode", pixels=["picture", 0], vae=["model", 2]),
        "picture": node("LoadImage", image="a.png"),
        "zero": node("ConditioningZeroOut", conditioning=["good", 0]),
    },
    {
        **without(PLAIN_TABLE, "negative_prompt"),
        "guidance": "guidance.guidance",
        "image": "picture.image",
    },
)

SHARED = Kind(
    {**PLAIN, "sampler": sampler(negative=["good", 0])}, without(PLAIN_TABLE, "negative_prompt")
)

PREFIXED = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncode", text=["joined", 0], clip=CLIP),
        "joined": node("JoinStrings", string1=["before", 0], string2=["words", 0], delimiter=" "),
        "before": node("PrimitiveString", "Prompt prefix", value=""),
        "words": node("PrimitiveString", "Prompt", value=""),
    },
    {**PLAIN_TABLE, "prompt": "words.value", "prompt_2": "before.value"},
)

NO_WORDS = Kind(
    {
        **PLAIN,
        "good": text(""),
        "second": sampler(latent_image=["sampler", 0], positive=["detail", 0]),
        "detail": node(
            "ConditioningCombine", conditioning_1=["left", 0], conditioning_2=["right", 0]
        ),
        "left": text(""),
        "right": text(""),
        **saved("second"),
    },
    {
        **PLAIN_TABLE,
        "prompt": "good.text",
        "prompt_2": "left.text",
        "prompt_3": "right.text",
        **{f"{name}_2": f"second.{name}" for name in SETTINGS},
    },
)

SHARED_BY_THE_SECOND = Kind(
    {
        **PLAIN,
        "second": sampler(
            latent_image=["sampler", 0], positive=["detail", 0], negative=["detail", 0]
        ),
        "detail": text("fur"),
        **saved("second"),
    },
    {
        **PLAIN_TABLE,
        "prompt_2": "detail.text",
        **{f"{name}_2": f"second.{name}" for name in SETTINGS},
    },
)

ALSO_SECOND = Kind(
    {
        **without(samplers.FLUX_PARTS, "guider"),
        "guider": node(
            "DualCFGGuider",
            cfg_conds=5.0,
            cfg_cond2_negative=2.0,
            model=["model", 0],
            cond1=["good", 0],
            cond2=["pictured", 0],
            negative=["bad", 0],
        ),
        "pictured": node("ReferenceLatent", conditioning=["bad", 0], latent=["size", 0]),
        "bad": text("blurry", "clip", 0),
    },
    {
        **samplers.FLUX_TABLE,
        "negative_prompt": "bad.text",
        "cfg": "guider.cfg_conds",
        "cfg_2": "guider.cfg_cond2_negative",
    },
)

SHARED_WORDS = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncode", text=["words", 0], clip=CLIP),
        "bad": node("CLIPTextEncode", text=["words", 0], clip=CLIP),
        "words": node("PrimitiveString", value="a cat"),
    },
    {**without(PLAIN_TABLE, "negative_prompt"), "prompt": "words.value"},
)

JOINED_WORDS = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncode", text=["shown", 0], clip=CLIP),
        "shown": node("ShowText|pysssss", text=["joined", 0], text_0="what was shown"),
        "joined": node(
            "StringConcatenate", string_a=["words", 0], string_b="best quality", delimiter=", "
        ),
        "words": node("PrimitiveStringMultiline", value="a cat"),
    },
    {**PLAIN_TABLE, "prompt": "words.value", "prompt_2": "joined.string_b"},
)

STYLED = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncode", text=["styler", 0], clip=CLIP),
        "bad": node("CLIPTextEncode", text=["styler", 1], clip=CLIP),
        "styler": node(
            "SDXLPromptStyler",
            text_positive="a cat",
            text_negative="blurry",
            style="base",
            log_prompt="No",
        ),
    },
    {
        **PLAIN_TABLE,
        "prompt": "styler.text_positive",
        "negative_prompt": "styler.text_negative",
    },
)

WILDCARDS = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncode", text=["dice", 0], clip=CLIP),
        "dice": node(
            "ImpactWildcardProcessor",
            wildcard_text="a {cat|dog}",
            populated_text="a dog",
            mode="populate",
            seed=3,
        ),
    },
    {**PLAIN_TABLE, "prompt": "dice.wildcard_text,dice.populated_text"},
)

CAPTIONED = Kind(
    {
        **PLAIN,
        "good": node("CLIPTextEncode", text=["caption", 2], clip=CLIP),
        "caption": node("Florence2Run", text_input="", task="caption", image=["picture", 0]),
        "picture": node("LoadImage", image="a.png"),
    },
    {**without(PLAIN_TABLE, "prompt"), "image": "picture.image"},
)

EDITED = Kind(
    {
        **PLAIN,
        "good": node(
            "TextEncodeQwenImageEdit", clip=CLIP, prompt="make it red", image=["picture", 0]
        ),
        "picture": node("LoadImage", image="a.png"),
    },
    {**PLAIN_TABLE, "prompt": "good.prompt", "image": "picture.image"},
)

KINDS = {
    "CLIPTextEncodeFlux": FLUX_ENCODER,
    "CLIPTextEncodeSD3": encoded("CLIPTextEncodeSD3", "clip_l", "clip_g", "t5xxl"),
    "CLIPTextEncodeSDXL": encoded("CLIPTextEncodeSDXL", "text_g", "text_l"),
    "two control nets in a row": CONTROLLED,
    "combined, joined and placed conditionings": COMBINED,
    "guidance and a reference before a zeroed negative": REFERENCED,
    "one encoder for both": SHARED,
    "one encoder for both of the second pass": SHARED_BY_THE_SECOND,
    "a negative that is also the second conditioning": ALSO_SECOND,
    "one text for both": SHARED_WORDS,
    "a text joined from two and shown": JOINED_WORDS,
    "a text with a prefix": PREFIXED,
    "texts without words": NO_WORDS,
    "a styler of both texts": STYLED,
    "wildcards": WILDCARDS,
    "a caption of an image is no prompt": CAPTIONED,
    "an encoder that sees an image": EDITED,
}
