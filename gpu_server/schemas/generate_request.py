"""What `POST /generate` takes."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_DEPTH = 64
"""Levels of nesting in `params`: what reads it later may have little stack left."""


def _deeper_than(levels: int, value: Any) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(levels - 1, each) for each in inner)


def _readable(value: dict[str, Any]) -> dict[str, Any]:
    if _deeper_than(MAX_DEPTH, value):
        raise ValueError(f"nested in more than {MAX_DEPTH} levels")
    return value


class GenerateRequest(BaseModel):
    """A workflow by name, and the values for its parameters."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"workflow": "free_generation", "params": {"prompt": "test", "steps": 20}}]
        }
    )

    workflow: str = Field(description="Name of a file in WORKFLOWS_PATH, without `.json`.")
    params: Annotated[dict[str, Any], AfterValidator(_readable)] = Field(
        default_factory=dict, description="Values by parameter name."
    )
