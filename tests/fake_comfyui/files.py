"""The input, output and temp folders, and the rules for names in them."""

import hashlib
import random
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff"}
KINDS = ("input", "output", "temp")


class OutsideFolder(Exception):
    """A name or subfolder leads out of the folder it belongs to."""


@dataclass(frozen=True)
class SavedFile:
    """A file as ComfyUI names it in its answers."""

    filename: str
    subfolder: str
    type: str

    def as_json(self) -> dict[str, str]:
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


class Files:
    """Lives in a temporary folder; outputs go to `output_dir` where one is given."""

    def __init__(self, output_dir: Path | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="fake-comfyui-"))
        self._folders = {kind: self.root / kind for kind in KINDS}
        if output_dir is not None:
            self._folders["output"] = output_dir.absolute()
        for folder in self._folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        # A fresh ComfyUI ships one picture.
        Image.new("RGB", (64, 64), (90, 130, 170)).save(self._folders["input"] / "example.png")
        letters = random.choices("abcdefghijklmnopqrstuvwxyz", k=5)
        self.temp_suffix = "_temp_" + "".join(letters)

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def empty_temp(self) -> None:
        shutil.rmtree(self._folders["temp"], ignore_errors=True)
        self._folders["temp"].mkdir()

    def folder(self, kind: str, subfolder: str = "") -> Path:
        """A subfolder's path; raises OutsideFolder where it leads out."""
        base = self._folders[kind]
        path = Path(base, subfolder).resolve()
        if not path.is_relative_to(base.resolve()):
            raise OutsideFolder(subfolder)
        return path

    def input_images(self) -> list[str]:
        """What LoadImage lists: the images at the top of the input folder."""
        return sorted(
            path.name
            for path in self._folders["input"].iterdir()
            if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES
        )

    def annotated(self, name: str) -> Path:
        """The file of an input value such as `sub/a.png` or `a.png [output]`."""
        match = re.fullmatch(r"(.*?) \[(input|output|temp)\]", name)
        kind = match[2] if match else "input"
        return self._folders[kind] / (match[1] if match else name)

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.annotated(name).read_bytes()).hexdigest()

    def next_outputs(self, prefix: str, kind: str, count: int) -> list[SavedFile]:
        """Names for `count` new files: counted on from the highest number there."""
        wanted = PurePosixPath(prefix)
        subfolder = "" if str(wanted.parent) == "." else str(wanted.parent)
        folder = self.folder(kind, subfolder)
        folder.mkdir(parents=True, exist_ok=True)
        taken = re.compile(re.escape(wanted.name) + r"_(\d+)_")
        numbers = [int(found[1]) for path in folder.iterdir() if (found := taken.match(path.name))]
        first = max(numbers, default=0) + 1
        return [
            SavedFile(f"{wanted.name}_{number:05}_.png", subfolder, kind)
            for number in range(first, first + count)
        ]

    def path(self, saved: SavedFile) -> Path:
        return self.folder(saved.type, saved.subfolder) / saved.filename

    def upload_target(
        self, name: str, subfolder: str, kind: str, content: bytes, overwrite: bool
    ) -> tuple[str, Path]:
        """Where an upload goes; a name already taken by other content gets ` (N)`."""
        folder = self.folder(kind, subfolder)
        target = (folder / name).resolve()
        if not target.is_relative_to(self._folders[kind].resolve()):
            raise OutsideFolder(name)
        number = 1
        while not overwrite and target.exists() and target.read_bytes() != content:
            stem, dot, suffix = name.rpartition(".")
            numbered = f"{stem} ({number}).{suffix}" if dot else f"{name} ({number})"
            target = folder / numbered
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        return (target.name if number > 1 else name), target
