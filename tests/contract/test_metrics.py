"""What the backend knows of the GPU service's codes."""

from backend.metrics.work import OF_GPU_SERVICES
from gpu_server.metrics.jobs import CODES


def test_backend_counts_every_code_of_the_gpu_service() -> None:
    assert OF_GPU_SERVICES == CODES
