"""The sampling nodes: pictures that seed, prompts, model and input decide."""

import asyncio

from PIL import Image

from tests.fake_comfyui.images import Batch, dream
from tests.fake_comfyui.node import Context, Output
from tests.fake_comfyui.values import Conditioning, Latent, Model

PREVIEW_SIDE = 64


async def ksampler(
    context: Context,
    model: Model,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: float,
) -> Output:
    traits = (model, seed, steps, cfg, sampler_name, scheduler, positive, negative)
    return await _sample(context, latent_image, steps, denoise, traits)


async def ksampler_advanced(
    context: Context,
    model: Model,
    add_noise: str,
    noise_seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: int,
    end_at_step: int,
    return_with_leftover_noise: str,
) -> Output:
    end = min(end_at_step, steps)
    taken = max(1, end - start_at_step)
    traits = (
        *(model, add_noise, noise_seed, steps, cfg, sampler_name, scheduler),
        *(positive, negative, start_at_step, end, return_with_leftover_noise),
    )
    return await _sample(context, latent_image, taken, taken / steps, traits)


async def _sample(
    context: Context, latent: Latent, steps: int, strength: float, traits: tuple[object, ...]
) -> Output:
    whole = (*traits, strength, latent.traits())

    def preview(step: int) -> Image.Image:
        width, height = latent.size
        side = max(width, height)
        small = (
            max(1, width * PREVIEW_SIDE // side),
            max(1, height * PREVIEW_SIDE // side),
        )
        return dream(small, whole, 0)

    await context.sample(steps, preview)
    images = await asyncio.to_thread(_draw, latent, min(1.0, strength), whole)
    return Output((Latent(latent.size, latent.batch, images, latent.mask),))


def _draw(latent: Latent, strength: float, traits: tuple[object, ...]) -> Batch:
    """New pictures; over given ones as strongly as asked, and only inside the mask."""
    images = []
    for index in range(latent.batch):
        drawn = dream(latent.size, traits, index)
        if latent.images:
            before = latent.images[index].convert("RGB")
            drawn = Image.blend(before, drawn, strength)
            if latent.mask:
                drawn = Image.composite(drawn, before, latent.mask[0].resize(latent.size))
        images.append(drawn)
    return images
