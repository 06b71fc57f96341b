"""A gallery as somebody has it who has used the page for a while."""

from backend.tasks import TaskState
from tests.browser.history import Past
from tests.browser.pictures import landscape

SUBJECTS = (
    "a lighthouse at dawn, long exposure",
    "misty hills, layered paper cut, muted palette",
    "portrait of an old fisherman knitting a net, window light, 85mm",
    "a tiny greenhouse on the moon",
    "brutalist library in the rain, cinematic",
    "watercolor of a fox asleep under ferns",
    "product shot of a ceramic teapot on slate",
    "alpine valley with a river, golden hour",
    "city street at night, neon reflections, fog",
    "a sailing boat in heavy swell, oil painting",
)
SHAPES = ((1024, 1024), (832, 1216), (1216, 832), (1344, 768), (768, 1344))
OUT_OF_MEMORY = (
    "ComfyUI ran out of GPU memory in “Sampler”. Ask for a smaller width, height or batch_size."
)


def varied(count: int, share: float = 1.0) -> list[Past]:
    """Many shapes and colours, a few batches, a failure and a cancelled one; oldest first."""
    return [_past(number, share) for number in range(count)]


def _past(number: int, share: float) -> Past:
    prompt = SUBJECTS[number % len(SUBJECTS)]
    width, height = SHAPES[number * 7 % len(SHAPES)]
    values = {
        "negative_prompt": "text, watermark",
        "seed": 1_000_003 * (number + 1),
        "steps": 20 + number % 3 * 5,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "width": width,
        "height": height,
        "batch_size": 1,
        "model": "sd_xl_base_1.0.safetensors",
    }
    if number % 17 == 5:
        return Past(prompt, (), OUT_OF_MEMORY, values=values, state=TaskState.FAILED)
    if number % 17 == 11:
        return Past(prompt, (), None, values=values, state=TaskState.CANCELLED)
    count = 4 if number % 9 == 4 else 1
    size = round(width * share), round(height * share)
    pictures = [landscape(number * 4 + each, *size) for each in range(count)]
    return Past(prompt, pictures, values={**values, "batch_size": count})
