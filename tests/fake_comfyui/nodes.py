"""The node classes: one function each, and the table that names them."""

import asyncio
import re
from typing import Any

from PIL import Image, ImageOps

from tests.fake_comfyui.compositing import IMAGE_COMPOSITE_MASKED
from tests.fake_comfyui.files import Files
from tests.fake_comfyui.images import (
    Batch,
    alpha_mask,
    fingerprint,
    flat,
    open_picture,
    save_png,
)
from tests.fake_comfyui.node import Context, Node, Output
from tests.fake_comfyui.recorded import Json
from tests.fake_comfyui.samplers import ksampler, ksampler_advanced
from tests.fake_comfyui.values import Conditioning, Latent, Model

RESAMPLING = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


async def empty_image(
    context: Context, width: int, height: int, batch_size: int, color: int
) -> Output:
    return Output(([flat((width, height), color) for _ in range(batch_size)],))


async def save_image(context: Context, images: Batch, filename_prefix: str) -> Output:
    return await _save(context, images, filename_prefix, "output")


async def preview_image(context: Context, images: Batch) -> Output:
    return await _save(context, images, f"ComfyUI{context.files.temp_suffix}", "temp")


async def _save(context: Context, images: Batch, prefix: str, kind: str) -> Output:
    saved = context.files.next_outputs(prefix, kind, len(images))
    for image, file in zip(images, saved, strict=True):
        await asyncio.to_thread(save_png, image, context.files.path(file), context.texts)
    return Output((images,), {"images": [file.as_json() for file in saved]})


async def save_image_websocket(context: Context, images: Batch) -> Output:
    for index, image in enumerate(images):
        await context.send_image(index, len(images), image)
    return Output()


async def load_image(context: Context, image: str) -> Output:
    picture = await asyncio.to_thread(open_picture, context.files.annotated(image))
    return Output(([picture.convert("RGB")], [alpha_mask(picture)]))


async def load_image_mask(context: Context, image: str, channel: str) -> Output:
    picture = await asyncio.to_thread(open_picture, context.files.annotated(image))
    if channel == "alpha":
        return Output(([alpha_mask(picture)],))
    return Output(([picture.convert("RGB").getchannel(channel[0].upper())],))


async def image_scale(
    context: Context, image: Batch, upscale_method: str, width: int, height: int, crop: str
) -> Output:
    old_width, old_height = image[0].size
    if width == height == 0:
        return Output((image,))
    size = (
        width or max(1, round(old_width * height / old_height)),
        height or max(1, round(old_height * width / old_width)),
    )
    method = RESAMPLING[upscale_method]
    if crop == "center":
        return Output(([ImageOps.fit(one, size, method) for one in image],))
    return Output(([one.resize(size, method) for one in image],))


async def image_invert(context: Context, image: Batch) -> Output:
    return Output(([ImageOps.invert(one) for one in image],))


async def clip_text_encode(context: Context, text: str, clip: Model) -> Output:
    return Output((Conditioning((text, *clip.names)),))


async def empty_latent_image(context: Context, width: int, height: int, batch_size: int) -> Output:
    return Output((Latent((width // 8 * 8, height // 8 * 8), batch_size),))


async def checkpoint_loader(context: Context, ckpt_name: str) -> Output:
    model = Model((ckpt_name,))
    return Output((model, model, model))


async def lora_loader(
    context: Context,
    model: Model,
    clip: Model,
    lora_name: str,
    strength_model: float,
    strength_clip: float,
) -> Output:
    return Output(
        (
            model.plus(f"{lora_name}@{strength_model}") if strength_model else model,
            clip.plus(f"{lora_name}@{strength_clip}") if strength_clip else clip,
        )
    )


async def vae_decode(context: Context, samples: Latent, vae: Model) -> Output:
    drawn = samples.images or [flat(samples.size, 0) for _ in range(samples.batch)]
    return Output((drawn,))


async def vae_encode(context: Context, pixels: Batch, vae: Model) -> Output:
    return Output((_latent(pixels),))


async def vae_encode_for_inpaint(
    context: Context, pixels: Batch, vae: Model, mask: Batch, grow_mask_by: int
) -> Output:
    return Output((_latent(pixels, mask),))


def _latent(pixels: Batch, mask: Batch | None = None) -> Latent:
    width, height = (side // 8 * 8 for side in pixels[0].size)
    cropped = [image.crop((0, 0, width, height)) for image in pixels]
    return Latent((width, height), len(cropped), cropped, mask)


async def set_latent_noise_mask(context: Context, samples: Latent, mask: Batch) -> Output:
    return Output((Latent(samples.size, samples.batch, samples.images, mask),))


async def name_loader(context: Context, **names: str) -> Output:
    return Output((Model(tuple(names.values())),))


async def image_upscale_with_model(context: Context, upscale_model: Model, image: Batch) -> Output:
    """The factor is read off the model's name, as in `RealESRGAN_x2`; 4 without one."""
    found = re.search(r"x(\d)|(\d)x", upscale_model.names[0])
    factor = int(found[1] or found[2]) if found else 4
    scaled = [
        one.resize((one.width * factor, one.height * factor), Image.Resampling.BICUBIC)
        for one in image
    ]
    return Output((scaled,))


async def controlnet_apply(
    context: Context,
    positive: Conditioning,
    negative: Conditioning,
    control_net: Model,
    image: Batch,
    vae: Model | None = None,
    **strengths: float,
) -> Output:
    added = (*control_net.names, fingerprint(image), repr(strengths))
    return Output((Conditioning(positive.traits + added), Conditioning(negative.traits + added)))


def _file_content(files: Files, inputs: Json) -> str:
    return files.digest(inputs["image"])


def _never_cached(files: Files, inputs: Json) -> None:
    return None


_FROM_INPUT: dict[str, Any] = {
    "choices": {"image": "input"},
    "custom_checked": frozenset({"image"}),
    "changes": _file_content,
}

NODES: dict[str, Node] = {
    "EmptyImage": Node(empty_image),
    "SaveImage": Node(save_image),
    "PreviewImage": Node(preview_image),
    "SaveImageWebsocket": Node(save_image_websocket, changes=_never_cached),
    "LoadImage": Node(load_image, **_FROM_INPUT),
    "LoadImageMask": Node(load_image_mask, **_FROM_INPUT),
    "ImageScale": Node(image_scale),
    "ImageInvert": Node(image_invert),
    "KSampler": Node(ksampler, sampler=True),
    "KSamplerAdvanced": Node(ksampler_advanced, sampler=True),
    "CLIPTextEncode": Node(clip_text_encode),
    "EmptyLatentImage": Node(empty_latent_image),
    "CheckpointLoaderSimple": Node(checkpoint_loader, choices={"ckpt_name": "checkpoints"}),
    "VAEDecode": Node(vae_decode),
    "VAEEncode": Node(vae_encode),
    "VAEEncodeForInpaint": Node(vae_encode_for_inpaint),
    "LoraLoader": Node(lora_loader, choices={"lora_name": "loras"}),
    "UpscaleModelLoader": Node(name_loader, choices={"model_name": "upscale_models"}),
    "ImageUpscaleWithModel": Node(image_upscale_with_model),
    "ControlNetLoader": Node(name_loader, choices={"control_net_name": "controlnet"}),
    "ControlNetApplyAdvanced": Node(controlnet_apply),
    "SetLatentNoiseMask": Node(set_latent_noise_mask),
    "ImageCompositeMasked": IMAGE_COMPOSITE_MASKED,
}
