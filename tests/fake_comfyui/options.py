"""What one fake server is started with."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.fake_comfyui.faults import FaultSetting


class Version(str, Enum):
    """The recorded servers: before and after the jobs API."""

    OLD = "0.3.64"
    NEW = "0.33.0"


@dataclass(frozen=True)
class FakeOptions:
    """`job_seconds` is the time one job takes, spread over its sampling steps."""

    version: Version = Version.NEW
    job_seconds: float = 0.0
    models: tuple[str, ...] = ("random-sd15.safetensors", "sd_xl_base_1.0.safetensors")
    loras: tuple[str, ...] = ("fake-style.safetensors",)
    upscale_models: tuple[str, ...] = ("RealESRGAN_x2.pth", "RealESRGAN_x4plus.pth")
    controlnets: tuple[str, ...] = ("fake-canny.safetensors",)
    output_dir: Path | None = None
    executions: Path | None = None
    """Where each run and each fetched file is written down, for who kills the fake."""
    faults: tuple[FaultSetting, ...] = ()

    def model_folder(self, folder: str) -> list[str]:
        """The model files of one ComfyUI model folder, sorted as ComfyUI lists them."""
        files = {
            "checkpoints": self.models,
            "loras": self.loras,
            "upscale_models": self.upscale_models,
            "controlnet": self.controlnets,
        }
        return sorted(files.get(folder, ()))
