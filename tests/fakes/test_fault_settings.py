"""How faults are written, and how they are used up."""

import pytest

from tests.fake_comfyui.faults import Fault, Faults, FaultSetting


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("oom", FaultSetting(Fault.OOM)),
        ("oom:always", FaultSetting(Fault.OOM)),
        ("oom:once", FaultSetting(Fault.OOM, count=1)),
        ("slow_view=2.5:3", FaultSetting(Fault.SLOW_VIEW, count=3, value=2.5)),
    ],
)
def test_setting_is_read_from_text(text: str, setting: FaultSetting) -> None:
    assert FaultSetting.parse(text) == setting


def test_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="nope"):
        FaultSetting.parse("nope")


def test_counted_fault_is_used_up() -> None:
    faults = Faults((FaultSetting(Fault.OOM, count=2),))
    assert [bool(faults.take(Fault.OOM)) for _ in range(3)] == [True, True, False]
