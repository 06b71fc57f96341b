"""What the tests of security start from."""

from collections.abc import AsyncIterator

import httpx
import pytest

from backend.config import Settings
from tests.backend.gpu_service import GPUService
from tests.backend.serving import serving


@pytest.fixture
async def locked(settings: Settings, gpu: GPUService) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, where keys are on."""
    async with serving(settings, require_api_key=True) as client:
        yield client
