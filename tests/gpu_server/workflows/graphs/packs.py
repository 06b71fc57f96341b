"""Nodes of popular packs, found by what they take and not by their names."""

from tests.gpu_server.workflows.graphs import (
    PLAIN,
    PLAIN_TABLE,
    SETTINGS,
    Kind,
    node,
    sampler,
)

EFFICIENT = Kind(
    {
        "loader": node(
            "Efficient Loader",
            ckpt_name="sd.safetensors",
            vae_name="Baked VAE",
            clip_skip=-2,
            lora_name="None",
            lora_model_strength=1.0,
            positive="a cat",
            negative="blurry",
            token_normalization="none",
            weight_interpretation="comfy",
            empty_latent_width=512,
            empty_latent_height=768,
            batch_size=1,
        ),
        "sampler": node(
            "KSampler (Efficient)",
            **{
                **{name: sampler()["inputs"][name] for name in SETTINGS},
                "preview_method": "auto",
                "vae_decode": "true",
                "model": ["loader", 0],
                "positive": ["loader", 1],
                "negative": ["loader", 2],
                "latent_image": ["loader", 3],
            },
        ),
        "save": node("SaveImage", images=["sampler", 5], filename_prefix="x"),
    },
    {
        "prompt": "loader.positive",
        "negative_prompt": "loader.negative",
        **SETTINGS,
        "width": "loader.empty_latent_width",
        "height": "loader.empty_latent_height",
        "batch_size": "loader.batch_size",
        "model": "loader.ckpt_name",
    },
)

EFFICIENT_TWICE = Kind(
    {
        **EFFICIENT.graph,
        "second": node(
            "KSampler (Efficient)",
            **{
                **{name: sampler()["inputs"][name] for name in SETTINGS},
                "model": ["sampler", 0],
                "positive": ["sampler", 1],
                "negative": ["sampler", 2],
                "latent_image": ["sampler", 3],
            },
        ),
        "save": node("SaveImage", images=["second", 5], filename_prefix="x"),
    },
    {**EFFICIENT.table, **{f"{name}_2": f"second.{name}" for name in SETTINGS}},
)

PIPES = Kind(
    {
        **PLAIN,
        "pipe": node(
            "ToBasicPipe",
            model=["model", 0],
            clip=["model", 1],
            vae=["model", 2],
            positive=["good", 0],
            negative=["bad", 0],
        ),
        "opened": node("FromBasicPipe", basic_pipe=["pipe", 0]),
        "sampler": sampler(model=["opened", 0], positive=["opened", 3], negative=["opened", 4]),
    },
    PLAIN_TABLE,
)

WRAPPED = Kind(
    {
        "sampler": node(
            "WanVideoSampler",
            model=["loader", 0],
            image_embeds=["size", 0],
            text_embeds=["texts", 0],
            steps=20,
            cfg=6.0,
            shift=5.0,
            seed=1,
            scheduler="unipc",
        ),
        "texts": node(
            "WanVideoTextEncode", t5=["t5", 0], positive_prompt="a cat", negative_prompt="blurry"
        ),
        "t5": node("LoadWanVideoT5TextEncoder", model_name="umt5.safetensors"),
        "size": node("WanVideoEmptyEmbeds", width=832, height=480, num_frames=81),
        "loader": node("WanVideoModelLoader", model="wan.safetensors", lora=["lora", 0]),
        "lora": node("WanVideoLoraSelect", lora="fast.safetensors", strength=1.0),
        "decode": node("WanVideoDecode", vae=["vae", 0], samples=["sampler", 0]),
        "vae": node("WanVideoVAELoader", model_name="vae.safetensors"),
        "save": node("VHS_VideoCombine", images=["decode", 0], frame_rate=16),
    },
    {
        "prompt": "texts.positive_prompt",
        "negative_prompt": "texts.negative_prompt",
        **{name: f"sampler.{name}" for name in ("seed", "steps", "cfg", "scheduler")},
        "width": "size.width",
        "height": "size.height",
        "length": "size.num_frames",
        "fps": "save.frame_rate",
        "model": "loader.model",
        "lora": "lora.lora",
        "lora_strength": "lora.strength",
    },
)

ONE_NODE = Kind(
    {
        "all": node("FluxProImageNode", prompt="a cat", width=1024, height=768, seed=0, steps=28),
        "save": node("SaveImage", images=["all", 0], filename_prefix="x"),
    },
    {name: f"all.{name}" for name in ("prompt", "seed", "steps", "width", "height")},
)

KINDS = {
    "Efficient Loader and KSampler (Efficient)": EFFICIENT,
    "KSampler (Efficient) twice": EFFICIENT_TWICE,
    "basic pipes": PIPES,
    "WanVideoWrapper": WRAPPED,
    "a whole model behind one node": ONE_NODE,
}
