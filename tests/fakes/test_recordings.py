"""Every recorded scenario of both versions, request by request and message by message.

Client and prompt ids, queue numbers and file names are the caller's or counted, so they are
compared as they are. Not comparable, and why:
- times of day: `timestamp`, `create_time`, `execution_start_time`, `execution_end_time`;
- `traceback`: the frames are another program's, only that there are some is compared;
- the five random letters in the names of temporary files;
- the size of pictures: another encoder, other pixels. Frames are compared by their first 16
  bytes, which tell type and length of the metadata;
- `executed` and `current_outputs`: sets in the real server, so their order is chance;
- progress and `status` order of the jobs named in `replay.HELD`, for the reason given there.
"""

import json
import re
from typing import Any

import pytest

from tests.fake_comfyui.options import Version
from tests.fake_comfyui.recorded import recording
from tests.fakes.replay import (
    Entries,
    answers,
    attempt,
    is_raced,
    messages,
    milestones,
    statuses,
)

TIMES = {"timestamp", "create_time", "execution_start_time", "execution_end_time"}
SETS = {"executed", "current_outputs"}
SCENARIOS = [
    (version.value, scenario) for version in Version for scenario in recording(version.value)
]


def replayed(version: str, scenario: str) -> Entries:
    outcome = attempt(version)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome[scenario]


def comparable(value: Any, key: str = "") -> Any:
    if key in TIMES:
        value = "<time>"
    elif key == "traceback":
        value = bool(value)
    elif key in SETS:
        value = sorted(value)
    elif isinstance(value, dict):
        value = {name: comparable(one, name) for name, one in value.items() if name != "bytes"}
    elif isinstance(value, list):
        value = [comparable(one) for one in value]
    elif isinstance(value, str):
        value = re.sub(r"<\d+ bytes of PNG>", "<PNG>", value)
        value = re.sub(r"_temp_[a-z]{5}_", "_temp_xxxxx_", value)
    return value


def lines(entries: Entries) -> list[str]:
    """As text: 1 and 1.0 are the same number in Python, but not on the wire."""
    return [json.dumps(comparable(entry), sort_keys=True) for entry in entries]


def answer_lines(entries: Entries) -> list[str]:
    kept = ("path", "status", "content_type", "body")
    return lines([{name: answer[name] for name in kept} for answer in answers(entries)])


@pytest.mark.parametrize(("version", "scenario"), SCENARIOS)
def test_answers_are_the_recorded_ones(version: str, scenario: str) -> None:
    recorded = recording(version)[scenario]
    assert answer_lines(replayed(version, scenario)) == answer_lines(recorded)


@pytest.mark.parametrize(("version", "scenario"), SCENARIOS)
def test_socket_messages_are_the_recorded_ones(version: str, scenario: str) -> None:
    recorded = recording(version)[scenario]
    received = replayed(version, scenario)
    if is_raced(version, scenario):
        assert lines(milestones(received)) == lines(milestones(recorded))
        assert lines(statuses(received)) == lines(statuses(recorded))
    else:
        assert lines(messages(received)) == lines(messages(recorded))
