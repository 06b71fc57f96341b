"""`python -m gpu_server.workflows`: a look at a workflow before it is served."""

import json
import shlex
from pathlib import Path

import anyio.to_thread
import pytest

from gpu_server.config import get_settings
from gpu_server.workflows.__main__ import main
from gpu_server.workflows.loader import read_workflow_file
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import NOBODY
from tests.gpu_server.workflows.graphs import PLAIN, Kind, node, pictures
from tests.gpu_server.workflows.test_tracing import KINDS


@pytest.fixture(autouse=True)
def no_comfyui(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMFYUI_API_URL", NOBODY)
    monkeypatch.setenv("WORKFLOWS_PATH", str(tmp_path))
    get_settings.cache_clear()


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(PLAIN))
    return path


def test_workflow_of_the_folder_is_shown(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plain"]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert rows["steps"].split() == [
        "steps",
        "integer",
        "20",
        "graph",
        "sampler.steps",
        "(KSampler)",
    ]
    assert "0..18446744073709551615" in rows["seed"]
    assert "save SaveImage 'SaveImage': image" in out


def test_file_outside_the_folder_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "elsewhere" / "mine.json"
    path.parent.mkdir()
    path.write_text(json.dumps(PLAIN))
    assert main([str(path)]) == 0
    assert capsys.readouterr().out.startswith("mine\n")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_graph_is_shown_whole(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kind.json").write_text(json.dumps(kind.graph))
    assert main(["kind"]) == 0
    out = capsys.readouterr().out
    for name, targets in kind.table.items():
        (row,) = (line for line in out.splitlines() if line.split()[:1] == [name])
        assert all(target in row for target in targets.split(","))


def test_without_comfyui_it_says_so_and_goes_on(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plain"]) == 0
    assert f"ComfyUI does not answer at {NOBODY}" in capsys.readouterr().err


@pytest.fixture
def lacking(tmp_path: Path) -> None:
    """A workflow that needs a node and a model which nobody has."""
    graph = {**PLAIN, "extra": node("PreviewImag", "Look", images=["decode", 0])}
    (tmp_path / "lacking.json").write_text(json.dumps(graph))


@pytest.mark.usefixtures("lacking")
async def test_with_comfyui_bounds_choices_and_what_is_missing_are_shown(
    fake: FakeComfyUI, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMFYUI_API_URL", fake.url)
    get_settings.cache_clear()
    assert await anyio.to_thread.run_sync(main, ["lacking"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "1..10000" in captured.out
    node_line, model_line = captured.out.partition("Missing on this ComfyUI\n")[2].splitlines()[:2]
    assert node_line.startswith("  node extra 'Look': the node class 'PreviewImag' is not there.")
    assert "Nearest: PreviewImage" in node_line
    assert "'CheckpointLoaderSimple': ckpt_name 'sd.safetensors' is not there." in model_line


def request_of(out: str) -> dict[str, object]:
    """The body of the example request."""
    lines = out.partition("Try it\n")[2].splitlines()
    if lines[0].endswith("<<JSON"):
        body = lines[1]
    else:
        body = shlex.split(" ".join(line.removesuffix("\\") for line in lines))[-1]
    parsed: dict[str, object] = json.loads(body)
    return parsed


def test_example_request_is_for_this_workflow(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["plain"])
    assert request_of(capsys.readouterr().out) == {
        "mode": "plain",
        "prompt": "a lighthouse at dawn",
        "extra_params": {"width": 512, "height": 512, "seed": 7},
    }


def test_example_request_sends_images_from_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "larger.json").write_text(json.dumps(pictures.UPSCALE.graph))
    main(["larger"])
    assert request_of(capsys.readouterr().out) == {
        "mode": "larger",
        "extra_params": {"image": "$(base64 -w0 image.png)"},
    }


def test_graph_without_an_output_cannot_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "endless.json").write_text(json.dumps({"1": node("EmptyImage", width=8)}))
    assert main(["endless"]) == 1
    assert "Add a Save Image node" in capsys.readouterr().out


BROKEN = {
    "not json": ("{", "not valid JSON"),
    "the editor's format": ('{"nodes": [], "links": []}', "Export (API)"),
    "a title that names nothing": (
        json.dumps({"1": node("A", "$x.y", z=1)}),
        "no input 'y' to set",
    ),
}


@pytest.mark.parametrize(("content", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_an_error_that_says_what_to_do(
    content: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_text(content)
    assert main(["broken"]) == 1
    assert words in capsys.readouterr().err


def test_unknown_name_is_a_wrong_call(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 2
    err = capsys.readouterr().err
    assert "There is no workflow 'plan'. Those that exist: plain." in err
    assert str(plain.parent) in err


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--nonsense", "a"]], ids=str)
def test_wrong_arguments_are_a_wrong_call(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_sidecar_is_written_to_be_edited_and_changes_nothing_yet(plain: Path) -> None:
    before = read_workflow_file(plain)
    assert main(["plain", "--sidecar"]) == 0
    after = read_workflow_file(plain)
    assert after.title == "Plain"
    assert [*after.parameters] == [*before.parameters]
    assert {name: each.targets for name, each in after.parameters.items()} == {
        name: each.targets for name, each in before.parameters.items()
    }


def test_sidecar_that_exists_is_overwritten_only_by_force(
    plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar = plain.with_name("plain.params.json")
    sidecar.write_text('{"title": "Mine"}')
    assert main(["plain", "--sidecar"]) == 2
    assert "--force" in capsys.readouterr().err
    assert json.loads(sidecar.read_text()) == {"title": "Mine"}
    assert main(["plain", "--sidecar", "--force"]) == 0
    assert "parameters" in json.loads(sidecar.read_text())
