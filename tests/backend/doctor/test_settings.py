"""The `.env`, as the backend's doctor alone reads it; the rest is both services' alike."""

from pathlib import Path

from backend.doctor.finding import Level
from backend.doctor.settings import look


def test_credentials_of_the_object_store_may_stand_there(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("AWS_REGION=eu-west-1\n")
    _, [finding] = look(env)
    assert finding.level is Level.GREEN
