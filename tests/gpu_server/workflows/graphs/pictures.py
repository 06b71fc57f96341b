"""Pictures: images that a graph starts from, masks, several passes, and videos."""

from tests.gpu_server.workflows.graphs import (
    PLAIN,
    PLAIN_TABLE,
    SETTINGS,
    TEXTS,
    Kind,
    node,
    sampler,
    saved,
    text,
    without,
)

NO_SIZE = without(PLAIN_TABLE, "width", "height", "batch_size")

IMAGE_TO_IMAGE = Kind(
    {
        **without(PLAIN, "size"),
        "sampler": sampler(latent_image=["encoded", 0], denoise=0.6),
        "encoded": node("VAEEncode", pixels=["scaled", 0], vae=["model", 2]),
        "scaled": node("ImageScale", image=["picture", 0], width=1024, height=768, crop="center"),
        "picture": node("LoadImage", image="a.png"),
    },
    {
        **NO_SIZE,
        "resize_width": "scaled.width",
        "resize_height": "scaled.height",
        "image": "picture.image",
    },
)

INPAINT = Kind(
    {
        **without(PLAIN, "size"),
        "sampler": sampler(positive=["fill", 0], negative=["fill", 1], latent_image=["fill", 2]),
        "fill": node(
            "InpaintModelConditioning",
            positive=["good", 0],
            negative=["bad", 0],
            vae=["model", 2],
            pixels=["picture", 0],
            mask=["mask", 0],
            noise_mask=True,
        ),
        "picture": node("LoadImage", image="a.png"),
        "mask": node("LoadImageMask", image="b.png", channel="red"),
    },
    {**NO_SIZE, "image": "picture.image", "mask": "mask.image"},
)

DRAWN_MASK = Kind(
    {
        **INPAINT.graph,
        "fill": node("VAEEncodeForInpaint", pixels=["picture", 0], mask=["picture", 1]),
        "sampler": sampler(latent_image=["fill", 0]),
    },
    {**NO_SIZE, "image": "picture.image"},
)

MASK_OF_AN_IMAGE = Kind(
    {
        **without(INPAINT.graph, "mask"),
        "fill": node("VAEEncodeForInpaint", pixels=["picture", 0], mask=["other", 1]),
        "sampler": sampler(latent_image=["fill", 0]),
        "other": node("LoadImage", image="b.png"),
    },
    {**NO_SIZE, "image": "picture.image", "mask": "other.image"},
)

TWO_PASSES = Kind(
    {
        **PLAIN,
        "second": sampler(latent_image=["larger", 0], denoise=0.5, steps=10),
        "larger": node("LatentUpscale", samples=["sampler", 0], width=1024, height=1024),
        **saved("second"),
    },
    {
        **PLAIN_TABLE,
        **{f"{name}_2": f"second.{name}" for name in SETTINGS},
        "resize_width": "larger.width",
        "resize_height": "larger.height",
    },
)

SAME_WORDS_TWICE = Kind(
    {
        **TWO_PASSES.graph,
        "second": sampler(
            latent_image=["larger", 0],
            positive=["good_2", 0],
            negative=["bad_2", 0],
            denoise=0.5,
            steps=10,
        ),
        "good_2": text("a cat"),
        "bad_2": text("ugly"),
    },
    {
        **TWO_PASSES.table,
        "prompt": "good.text,good_2.text",
        "negative_prompt_2": "bad_2.text",
    },
)

VIDEO_FROM_IMAGE = Kind(
    {
        **without(PLAIN, "size", "save"),
        "sampler": sampler(positive=["wan", 0], negative=["wan", 1], latent_image=["wan", 2]),
        "wan": node(
            "WanImageToVideo",
            width=832,
            height=480,
            length=81,
            batch_size=1,
            positive=["good", 0],
            negative=["bad", 0],
            vae=["model", 2],
            start_image=["picture", 0],
        ),
        "picture": node("LoadImage", image="a.png"),
        "video": node("CreateVideo", fps=16.0, images=["decode", 0]),
        "save": node("SaveVideo", video=["video", 0], filename_prefix="x", format="auto"),
    },
    {
        **TEXTS,
        **SETTINGS,
        **{name: f"wan.{name}" for name in ("width", "height", "batch_size", "length")},
        "fps": "video.fps",
        "model": "model.ckpt_name",
        "image": "picture.image",
    },
)

VIDEO = Kind(
    {
        **PLAIN,
        "size": node("EmptyHunyuanLatentVideo", width=848, height=480, length=25, batch_size=1),
        "save": node("VHS_VideoCombine", images=["decode", 0], frame_rate=24, format="h264"),
    },
    {**PLAIN_TABLE, "length": "size.length", "fps": "save.frame_rate"},
)

SAME_RATE_TWICE = Kind(
    {
        **VIDEO.graph,
        "sampler": sampler(positive=["timed", 0], negative=["timed", 1]),
        "timed": node("LTXVConditioning", frame_rate=24, positive=["good", 0], negative=["bad", 0]),
    },
    {**VIDEO.table, "fps": "timed.frame_rate,save.frame_rate"},
)

FROM_VIDEO = Kind(
    {
        **without(PLAIN, "size"),
        "sampler": sampler(latent_image=["encoded", 0]),
        "encoded": node("VAEEncode", pixels=["clip", 0], vae=["model", 2]),
        "clip": node("VHS_LoadVideo", video="a.mp4", frame_load_cap=16),
    },
    {**NO_SIZE, "video": "clip.video"},
)

UPSCALE = Kind(
    {
        "picture": node("LoadImage", image="a.png"),
        "larger": node("ImageUpscaleWithModel", upscale_model=["model", 0], image=["picture", 0]),
        "model": node("UpscaleModelLoader", model_name="4x.pth"),
        "save": node("SaveImage", images=["larger", 0], filename_prefix="x"),
    },
    {"upscale_model": "model.model_name", "image": "picture.image"},
)

TWO_IMAGES = Kind(
    {
        "a": node("LoadImage", image="a.png"),
        "b": node("LoadImage", image="b.png"),
        "both": node("ImageBatch", image1=["b", 0], image2=["a", 0]),
        "save": node("SaveImage", images=["both", 0], filename_prefix="x"),
    },
    {"image": "b.image", "image_2": "a.image"},
)

MEASURED = Kind(
    {
        **PLAIN,
        "size": node("EmptyLatentImage", width=["ruler", 0], height=["ruler", 1], batch_size=1),
        "ruler": node("GetImageSize", image=["picture", 0]),
        "picture": node("LoadImage", image="a.png"),
    },
    {**without(PLAIN_TABLE, "width", "height"), "image": "picture.image"},
)

KINDS = {
    "image to image": IMAGE_TO_IMAGE,
    "inpainting with a mask loader": INPAINT,
    "a mask drawn into the image": DRAWN_MASK,
    "a mask in another image's alpha": MASK_OF_AN_IMAGE,
    "two passes": TWO_PASSES,
    "two passes with their own encoders": SAME_WORDS_TWICE,
    "WanImageToVideo": VIDEO_FROM_IMAGE,
    "EmptyHunyuanLatentVideo": VIDEO,
    "one frame rate at two places": SAME_RATE_TWICE,
    "video to video": FROM_VIDEO,
    "upscaling without a sampler": UPSCALE,
    "two images in the order of the flow": TWO_IMAGES,
    "a size measured on an image": MEASURED,
}
