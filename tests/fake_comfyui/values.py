"""What travels along the links of a graph: stand-ins for tensors and models."""

from dataclasses import dataclass

from tests.fake_comfyui.images import Batch, fingerprint


@dataclass(frozen=True)
class Model:
    """A model, CLIP or VAE: the names of the files it is made of."""

    names: tuple[str, ...]

    def plus(self, *names: str) -> "Model":
        return Model(self.names + names)


@dataclass(frozen=True)
class Conditioning:
    """A prompt, with what control nets added to it."""

    traits: tuple[str, ...]


@dataclass(frozen=True)
class Latent:
    """Pictures to be: `images` is None while nothing has been drawn. Sizes in pixels."""

    size: tuple[int, int]
    batch: int = 1
    images: Batch | None = None
    mask: Batch | None = None

    def traits(self) -> tuple[object, ...]:
        images = fingerprint(self.images) if self.images else None
        mask = fingerprint(self.mask) if self.mask else None
        return (self.size, images, mask)
