"""What the fake writes down for who kills it."""

import json
from pathlib import Path

from tests.fakes.client import fresh
from tests.fakes.graphs import image_graph


async def test_each_run_and_each_fetched_file_is_written_down(tmp_path: Path) -> None:
    path = tmp_path / "executions"
    async with fresh(executions=path) as client:
        entry = await client.run(image_graph("mine"))
        await client.view(entry, "2")
        started, ended, fetched = map(json.loads, path.read_text().splitlines())
    assert [each["event"] for each in (started, ended, fetched)] == ["started", "ended", "fetched"]
    assert started["prompt_id"] == ended["prompt_id"] == entry["prompt"][1]
    assert started["graph"] == image_graph("mine")
    assert fetched["file"] == "mine_00001_.png"
    assert started["at"] <= ended["at"] <= fetched["at"]
