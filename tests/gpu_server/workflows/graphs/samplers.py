"""Samplers: the plain one, its advanced kin, and those put together from parts."""

from typing import Any

from tests.gpu_server.workflows.graphs import (
    MODEL,
    PLAIN,
    PLAIN_TABLE,
    SIZE,
    SIZES,
    TEXTS,
    Kind,
    node,
    sampler,
    saved,
    text,
    without,
)

ADVANCED: dict[str, Any] = {
    "steps": 25,
    "cfg": 8.0,
    "sampler_name": "euler",
    "scheduler": "normal",
    "positive": ["good", 0],
    "negative": ["bad", 0],
}

REFINED = Kind(
    {
        "refiner": node(
            "KSamplerAdvanced",
            add_noise="disable",
            noise_seed=0,
            model=["refiner_model", 0],
            latent_image=["base", 0],
            start_at_step=20,
            end_at_step=10000,
            **ADVANCED,
        ),
        "base": node(
            "KSamplerAdvanced",
            add_noise="enable",
            noise_seed=5,
            model=["model", 0],
            latent_image=["size", 0],
            start_at_step=0,
            end_at_step=20,
            **ADVANCED,
        ),
        "model": MODEL,
        "refiner_model": node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"),
        "size": SIZE,
        "good": text("a cat"),
        "bad": text("blurry"),
        **saved("refiner"),
    },
    {
        **TEXTS,
        "seed": "base.noise_seed",
        "seed_2": "refiner.noise_seed",
        "steps": "base.steps",
        "steps_2": "refiner.steps",
        "cfg": "base.cfg",
        "cfg_2": "refiner.cfg",
        "sampler_name": "base.sampler_name",
        "sampler_name_2": "refiner.sampler_name",
        "scheduler": "base.scheduler",
        "scheduler_2": "refiner.scheduler",
        **SIZES,
        "model": "model.ckpt_name",
        "model_2": "refiner_model.ckpt_name",
    },
)

CUSTOM = Kind(
    {
        **without(PLAIN, "sampler"),
        "sampler": node(
            "SamplerCustom",
            add_noise=True,
            noise_seed=3,
            cfg=1.0,
            model=["model", 0],
            positive=["good", 0],
            negative=["bad", 0],
            sampler=["method", 0],
            sigmas=["sigmas", 0],
            latent_image=["size", 0],
        ),
        "method": node("KSamplerSelect", sampler_name="euler_ancestral"),
        "sigmas": node("SDTurboScheduler", model=["model", 0], steps=2, denoise=1.0),
    },
    {
        **TEXTS,
        "seed": "sampler.noise_seed",
        "steps": "sigmas.steps",
        "cfg": "sampler.cfg",
        "sampler_name": "method.sampler_name",
        "denoise": "sigmas.denoise",
        **SIZES,
        "model": "model.ckpt_name",
    },
)

FLUX_PARTS = {
    "sampler": node(
        "SamplerCustomAdvanced",
        noise=["noise", 0],
        guider=["guider", 0],
        sampler=["method", 0],
        sigmas=["sigmas", 0],
        latent_image=["size", 0],
    ),
    "noise": node("RandomNoise", noise_seed=9),
    "method": node("KSamplerSelect", sampler_name="euler"),
    "sigmas": node("BasicScheduler", scheduler="simple", steps=20, denoise=1.0, model=["model", 0]),
    "model": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "clip": node("DualCLIPLoader", clip_name1="t5xxl.safetensors", clip_name2="clip_l.safetensors"),
    "vae": node("VAELoader", vae_name="ae.safetensors"),
    "size": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
    "good": text("a cat", "clip", 0),
    "decode": node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
    "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
}
FLUX_TABLE = {
    "prompt": "good.text",
    "seed": "noise.noise_seed",
    "steps": "sigmas.steps",
    "sampler_name": "method.sampler_name",
    "scheduler": "sigmas.scheduler",
    "denoise": "sigmas.denoise",
    **SIZES,
    "model": "model.unet_name",
}

FLUX = Kind(
    {
        **FLUX_PARTS,
        "guider": node("BasicGuider", model=["model", 0], conditioning=["guidance", 0]),
        "guidance": node("FluxGuidance", guidance=3.5, conditioning=["good", 0]),
    },
    {**FLUX_TABLE, "guidance": "guidance.guidance"},
)

CFG_GUIDER = Kind(
    {
        **FLUX_PARTS,
        "guider": node(
            "CFGGuider", cfg=4.0, model=["model", 0], positive=["good", 0], negative=["bad", 0]
        ),
        "bad": text("blurry", "clip", 0),
        "split": node("SplitSigmas", step=5, sigmas=["sigmas", 0]),
        "sampler": node(
            "SamplerCustomAdvanced",
            **{**FLUX_PARTS["sampler"]["inputs"], "sigmas": ["split", 1]},
        ),
    },
    {**FLUX_TABLE, "cfg": "guider.cfg", "negative_prompt": "bad.text"},
)

DUAL_CFG_GUIDER = Kind(
    {
        **FLUX_PARTS,
        "guider": node(
            "DualCFGGuider",
            cfg_conds=8.0,
            cfg_cond2_negative=6.0,
            model=["model", 0],
            cond1=["good", 0],
            cond2=["style", 0],
            negative=["bad", 0],
        ),
        "style": text("a woodcut", "clip", 0),
        "bad": text("blurry", "clip", 0),
    },
    {
        **FLUX_TABLE,
        "prompt_2": "style.text",
        "negative_prompt": "bad.text",
        "cfg": "guider.cfg_conds",
        "cfg_2": "guider.cfg_cond2_negative",
    },
)

UNKNOWN = Kind(
    {
        **without(PLAIN, "sampler"),
        "sampler": node(
            "Somebody's Magic Sampler",
            seed=1,
            steps=4,
            positive=["good", 0],
            negative=["bad", 0],
            latent=["size", 0],
            model=["model", 0],
        ),
    },
    without(PLAIN_TABLE, "cfg", "sampler_name", "scheduler", "denoise"),
)

UPSIDE_DOWN = Kind(
    {
        **PLAIN,
        "sampler": sampler(latent_image=["noise", 0], seed=4),
        "noise": node(
            "SamplerCustom",
            add_noise=False,
            noise_seed=0,
            cfg=1.0,
            model=["model", 0],
            positive=["good", 0],
            negative=["bad", 0],
            sampler=["method", 0],
            sigmas=["flipped", 0],
            latent_image=["size", 0],
        ),
        "method": node("KSamplerSelect", sampler_name="euler"),
        "flipped": node("FlipSigmas", sigmas=["sigmas", 0]),
        "sigmas": node(
            "BasicScheduler", scheduler="normal", steps=10, denoise=1.0, model=["model", 0]
        ),
    },
    {
        **PLAIN_TABLE,
        "seed_2": "noise.noise_seed",
        "steps_2": "sigmas.steps",
        "cfg_2": "noise.cfg",
        "sampler_name_2": "method.sampler_name",
        "scheduler_2": "sigmas.scheduler",
        "denoise_2": "sigmas.denoise",
    },
)

KINDS = {
    "KSampler": Kind(PLAIN, PLAIN_TABLE),
    "KSamplerAdvanced, base and refiner": REFINED,
    "SamplerCustom": CUSTOM,
    "SamplerCustomAdvanced with BasicGuider: Flux": FLUX,
    "SamplerCustomAdvanced with CFGGuider": CFG_GUIDER,
    "SamplerCustomAdvanced with DualCFGGuider": DUAL_CFG_GUIDER,
    "a sampler of an unknown pack": UNKNOWN,
    "one that prepares noise comes after the one that uses it": UPSIDE_DOWN,
}
