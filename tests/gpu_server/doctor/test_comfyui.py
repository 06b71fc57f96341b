"""ComfyUI, as the doctor tells it."""

from gpu_server.doctor.comfyui import look
from gpu_server.doctor.finding import Level
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.serving import settings

NOWHERE = "http://127.0.0.1:9"


async def test_its_version_and_devices_are_told(each_fake: FakeComfyUI) -> None:
    given = settings(comfyui_api_url=each_fake.url, generation_engine="comfyui")
    object_info, [finding] = await look(given)
    assert finding.level is Level.GREEN
    assert finding.text.startswith(f"{each_fake.version.value} (PyTorch ")
    assert "GB free" in finding.text
    assert object_info is not None
    assert object_info.node("KSampler")


async def test_beside_the_stub_the_switch_is_named(fake: FakeComfyUI) -> None:
    _, found = await look(settings(comfyui_api_url=fake.url))
    engine = found[-1]
    assert (engine.subject, engine.level) == ("engine", Level.YELLOW)
    assert "GENERATION_ENGINE=comfyui" in engine.way_out


async def test_its_absence_is_red_where_it_is_needed() -> None:
    for engine, level in (("comfyui", Level.RED), ("stub", Level.YELLOW)):
        given = settings(comfyui_api_url=NOWHERE, generation_engine=engine)
        object_info, [finding] = await look(given)
        assert object_info is None
        assert finding.level is level
        assert NOWHERE in finding.text
