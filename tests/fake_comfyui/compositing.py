"""`ImageCompositeMasked`, which the recordings lack; described as ComfyUI 0.3.64 describes it."""

from PIL import Image

from tests.fake_comfyui.images import Batch
from tests.fake_comfyui.node import Context, Node, Output

PLACE = ["INT", {"default": 0, "min": 0, "max": 16384, "step": 1}]


async def image_composite_masked(
    context: Context,
    destination: Batch,
    source: Batch,
    x: int,
    y: int,
    resize_source: bool,
    mask: Batch | None = None,
) -> Output:
    """One picture put over another, where the mask is white."""
    composed = []
    for below, above in zip(destination, source, strict=True):
        over = above.resize(below.size) if resize_source else above
        where = mask[0].convert("L").resize(over.size) if mask else Image.new("L", over.size, 255)
        picture = below.copy()
        picture.paste(over, (x, y), where)
        composed.append(picture)
    return Output((composed,))


IMAGE_COMPOSITE_MASKED = Node(
    image_composite_masked,
    object_info={
        "input": {
            "required": {
                "destination": ["IMAGE"],
                "source": ["IMAGE"],
                "x": PLACE,
                "y": PLACE,
                "resize_source": ["BOOLEAN", {"default": False}],
            },
            "optional": {"mask": ["MASK"]},
        },
        "input_order": {
            "required": ["destination", "source", "x", "y", "resize_source"],
            "optional": ["mask"],
        },
        "output": ["IMAGE"],
        "output_is_list": [False],
        "output_name": ["IMAGE"],
        "name": "ImageCompositeMasked",
        "display_name": "ImageCompositeMasked",
        "description": "",
        "python_module": "comfy_extras.nodes_mask",
        "category": "image",
        "output_node": False,
    },
)
