"""Hundreds of jobs and as many mishaps: each ends as it must, and nothing is left behind."""

import asyncio
import gc
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gpu_server.comfyui.run import MAX_SUBMISSIONS, run_id
from tests.conditions import eventually
from tests.fake_comfyui.faults import Fault
from tests.fake_comfyui.running import running_fake
from tests.fake_comfyui.state import FakeComfyUI
from tests.gpu_server.jobs import Jobs, jobs_on
from tests.gpu_server.pictures import decoded

JOBS = 250
IN_FLIGHT = 8
SEED = 20251123

HARMLESS = (
    Fault.REFUSE_WS,
    Fault.DROP_WS,
    Fault.FREEZE_WS,
    Fault.NO_EXECUTED_EVENT,
    Fault.LATE_HISTORY,
    Fault.SLOW_PROMPT,
    Fault.SLOW_VIEW,
    Fault.CORRUPT_IMAGE,
)
"""A job that meets one of these is done all the same, in one run."""
FAILING = {
    Fault.EXECUTION_ERROR: "comfyui_execution_failed",
    Fault.ERROR_INSIDE_SUCCESS: "comfyui_execution_failed",
    Fault.NODE_ERRORS: "comfyui_rejected",
    Fault.VIEW_404: "comfyui_output_broken",
}
LOSING = (Fault.RESTART, Fault.LOST_PROMPT, Fault.OOM)
"""A job that meets one of these is run again."""
FEW = {Fault.FREEZE_WS: 2, Fault.RESTART: 5}
"""They hold all jobs up for seconds."""


@dataclass
class Soak:
    """What was done to the jobs, and how they ended."""

    fake: FakeComfyUI
    jobs: Jobs
    faults: tuple[Fault, ...]
    chance: random.Random
    set: Counter[Fault] = field(default_factory=Counter)
    states: dict[str, str] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        numbers = iter(range(JOBS))  # Shared: each worker takes the next.
        await asyncio.gather(*(self._work(numbers) for _ in range(IN_FLIGHT)))

    @property
    def struck(self) -> Counter[Fault]:
        """How often each fault has really happened."""
        return self.set - Counter(one.fault for one in self.fake.faults.settings())

    async def _work(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            self._switch_something_on()
            size = 8 * (8 + number % 16)
            params = {"prompt": str(number), "width": size, "height": 64, "steps": 2}
            job_id = await self.jobs.start(params=params)
            if self.chance.random() < 0.1:
                await self.jobs.cancel(job_id)
            await self._look_at(job_id, size)

    def _switch_something_on(self) -> None:
        fault = self.chance.choice(self.faults)
        spent = fault in FEW and self.set[fault] >= FEW[fault]
        if self.chance.random() < 0.4 and not spent and not self.fake.faults.active(fault):
            self.set[fault] += 1
            self.fake.faults.set(fault, count=1, value=0.02)

    async def _look_at(self, job_id: str, size: int) -> None:
        story = await self.jobs.story(job_id)
        job = await self.jobs.get(job_id)
        assert story[-1].kind == job["state"]
        self.states[job_id] = job["state"]
        if job["state"] == "failed":
            self.codes[job["error"]["code"]] += 1
        if job["state"] == "done":
            [output] = job["outputs"]
            image = decoded((await self.jobs.http.get(output["url"])).content)
            assert image.size == (size, 64)

    def check_ends(self) -> None:
        """No job failed but by a fault that makes jobs fail."""
        assert len(self.states) == JOBS
        assert set(self.states.values()) == {"done", "failed", "cancelled"}
        allowed: Counter[str] = Counter()
        for fault, code in FAILING.items():
            allowed[code] += self.struck[fault]
        # A file that comes broken twice; the other fault may hit the same job again.
        allowed["comfyui_output_broken"] += self.struck[Fault.CORRUPT_IMAGE] // 2
        # The second time that memory runs out in one job, and its third loss, are its end.
        allowed["comfyui_execution_failed"] += self.struck[Fault.OOM] // 2
        allowed["comfyui_lost_job"] = sum(self.struck[fault] for fault in LOSING) // MAX_SUBMISSIONS
        assert not self.codes - allowed, (self.codes, self.struck)

    def check_runs(self) -> None:
        """No run twice, and no job twice but where ComfyUI lost it or ran out of memory."""
        executed = Counter(self.fake.executed_prompts)
        assert not executed or max(executed.values()) == 1
        of_job = {
            run_id(job_id, number): job_id
            for job_id in self.states
            for number in range(MAX_SUBMISSIONS)
        }
        runs = Counter(of_job[prompt_id] for prompt_id in executed)
        again = sum(count - 1 for count in runs.values())
        restarts, others = self.struck[Fault.RESTART], self.struck[Fault.OOM]
        assert again <= restarts * IN_FLIGHT + others


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def open_files() -> int:
    return len(left_in(Path("/proc/self/fd")))


@pytest.mark.parametrize("losing", [(), LOSING], ids=["nothing lost", "jobs lost"])
async def test_every_job_ends_as_it_must_and_nothing_is_left(
    losing: tuple[Fault, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gc.collect()
    tasks, files = len(asyncio.all_tasks()), open_files()
    async with running_fake() as fake:
        async with jobs_on(fake.url, max_concurrent_tasks=IN_FLIGHT - 1) as jobs:
            faults = (*HARMLESS, *FAILING, *losing)
            soak = Soak(fake, jobs, faults, random.Random(SEED))
            await soak.run()
            await fake.until(lambda: fake.queue.remaining == 0)
        soak.check_ends()
        soak.check_runs()
        if not losing:
            assert max(Counter(prompt.prompt_id for prompt in fake.prompts).values()) == 1
            assert {prompt.prompt_id for prompt in fake.prompts} <= set(soak.states)
    await eventually(lambda: len(asyncio.all_tasks()) == tasks)
    gc.collect()
    await eventually(lambda: open_files() <= files)
    assert left_in(tmp_path) == []
