"""What is written down agrees with what is there."""

import re
import subprocess
from pathlib import Path

import pytest

import backend.config
import gpu_server.config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SERVICES = [("backend", backend.config.Settings), ("gpu_server", gpu_server.config.Settings)]
TABLES = {"backend": "Backend", "gpu_server": "GPU service"}
SPEC_TEMPLATES = {
    "backend": """\
BACKEND_HOST=0.0.0.0
BACKEND_PORT=8000
GPU_SERVICE_URL=http://localhost:8001
REQUEST_TIMEOUT=180
LOG_LEVEL=INFO
""",
    "gpu_server": """\
GPU_SERVER_HOST=0.0.0.0
GPU_SERVER_PORT=8001
COMFYUI_API_URL=http://localhost:8188
MODELS_PATH=/workspace/models
WORKFLOWS_PATH=/workspace/gpu_server/workflows
LOG_LEVEL=INFO
""",
}
Settings = type[backend.config.Settings] | type[gpu_server.config.Settings]


def settings_table(service: str) -> dict[str, str]:
    """The README's rows of one service: name to default."""
    head = f"| {TABLES[service]} | default | |\n|---|---|---|\n"
    rows = README.split(head)[1].split("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (?:`([^|]+)`)?[^|]*\|", rows, re.MULTILINE))


def template(service: str) -> str:
    return (ROOT / service / ".env.template").read_text()


@pytest.mark.parametrize(("service", "settings"), SERVICES)
def test_readme_lists_every_setting(service: str, settings: Settings) -> None:
    assert set(settings_table(service)) == {name.upper() for name in settings.model_fields}


@pytest.mark.parametrize(("service", "settings"), SERVICES)
def test_readme_gives_the_defaults(
    service: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as a `.env`, the table makes the very settings that no `.env` makes."""
    # Given in words: they follow the checkout.
    paths = {"DATA_PATH", "STYLES_PATH", "OBJECT_INFO_PATH"}
    lines = [f"{k}='{v}'" for k, v in settings_table(service).items() if k not in paths]
    for name in settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "table").write_text("\n".join(lines))
    assert settings(_env_file=tmp_path / "table") == settings(_env_file=None)


@pytest.mark.parametrize(("service", "settings"), SERVICES)
def test_template_has_the_specification_s_lines_and_all_others_as_comments(
    service: str, settings: Settings
) -> None:
    """Spec: Environment Configuration Templates."""
    live = [line for line in template(service).splitlines() if line and not line.startswith("#")]
    assert "\n".join(live) + "\n" == SPEC_TEMPLATES[service]
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", template(service), re.MULTILINE))
    assert named == {name.upper() for name in settings.model_fields}


@pytest.mark.parametrize(("service", "settings"), SERVICES)
def test_template_s_comments_hold_the_defaults(
    service: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    everything = re.sub(r"^# ([A-Z_]+=)", r"\1", template(service), flags=re.MULTILINE)
    (tmp_path / "everything").write_text(everything)
    made, default = settings(_env_file=tmp_path / "everything"), settings(_env_file=None)
    differing = {n for n in settings.model_fields if getattr(made, n) != getattr(default, n)}
    assert differing <= {"data_path", "styles_path", "object_info_path"}


def test_top_level_holds_what_was_ordered() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {Path(line).parts[0] for line in listed.splitlines()} == {
        ".ci",
        ".gitignore",
        "README.md",
        "backend",
        "gpu_server",
        "pyproject.toml",
        "startup.sh",
        "tests",
    }


GUIDE = [
    "which python",
    "pip list \\| grep fastapi",
    "lsof -i :8000",
    "lsof -i :8001",
    "logs backend",
    "logs gpu_server",
    "WORKFLOWS_PATH",
    "ps -p $(cat backend.pid)",
    "curl localhost:8000/health",
    "firewall",
    "curl $GPU_SERVICE_URL/health",
]


@pytest.mark.parametrize("line", GUIDE)
def test_troubleshooting_answers_the_specification_s_guide(line: str) -> None:
    """Spec: Operational Procedures, Troubleshooting Guide."""
    section = README.split("### Troubleshooting")[1].split("\n## ")[0]
    assert line in section


def test_the_operator_s_part_fits_two_screens() -> None:
    part = README.split("\n## Day and night\n")[1].split("\n## ")[0]
    assert len(part.splitlines()) <= 2 * 40
