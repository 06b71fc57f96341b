"""What `POST /generate` takes."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class GenerateRequest(BaseModel):
    """A workflow by name, and the values for its parameters."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"workflow": "free_generation", "params": {"prompt": "test", "steps": 20}}]
        }
    )

    workflow: str = Field(description="Name of a file in WORKFLOWS_PATH, without `.json`.")
    params: dict[str, Any] = Field(default_factory=dict, description="Values by parameter name.")
