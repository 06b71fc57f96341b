"""What `GET /styles` answers."""

from collections.abc import Mapping
from typing import Protocol

from pydantic import BaseModel, Field


class Template(Protocol):
    """A style as the file has it."""

    prompt: str
    negative_prompt: str | None


class StyleResponse(BaseModel):
    """One of them."""

    style: str
    prompt: str = Field(description="`{prompt}` is where the client's own goes.")
    negative_prompt: str | None = None


class StylesResponse(BaseModel):
    """All of them, in the order of the styles file."""

    styles: list[StyleResponse]

    @classmethod
    def of(cls, styles: Mapping[str, Template]) -> "StylesResponse":
        """As clients see them."""
        return cls(
            styles=[
                StyleResponse(style=name, prompt=each.prompt, negative_prompt=each.negative_prompt)
                for name, each in styles.items()
            ]
        )
