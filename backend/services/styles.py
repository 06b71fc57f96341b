"""Styles: named prompt templates, from a file that the operator edits.

`{"name": {"prompt": "… {prompt} …", "negative_prompt": "…"}}`, each part optional.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, RootModel, ValidationError

from backend.config import HERE
from backend.errors import StylesInvalid

PLACE = "{prompt}"


class Style(BaseModel):
    """One template."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = PLACE
    negative_prompt: str | None = None

    def apply(self, prompt: str) -> str:
        """The client's prompt in its place, or after the template where that has none."""
        if PLACE in self.prompt:
            return self.prompt.replace(PLACE, prompt).strip(" ,")
        return ", ".join(filter(None, [prompt, self.prompt]))

    def apply_negative(self, negative: str | None) -> str | None:
        """What the client does not want, and what the style does not."""
        return ", ".join(filter(None, [negative, self.negative_prompt])) or None


DEFAULT = HERE / "styles.json"


class _StylesFile(RootModel[dict[str, Style]]):
    pass


def read_styles(path: Path) -> dict[str, Style]:
    """The file's styles; none where the one beside the code is gone. Raises StylesInvalid."""
    if not path.is_file() and path == DEFAULT:
        return {}
    try:
        return _StylesFile.model_validate_json(path.read_bytes()).root
    except OSError as exc:
        raise StylesInvalid(f"The styles file cannot be read: {exc}.") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StylesInvalid(
            f"{path} is not a styles file: {place and place + ': '}{first['msg']}."
        ) from exc
