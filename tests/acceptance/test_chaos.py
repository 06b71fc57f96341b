"""Short chaos runs, all of whose programs are killed. The long ones are `python -m tests.chaos`."""

from pathlib import Path

from tests.chaos.report import report
from tests.chaos.run import Plan, run_chaos


def test_no_accepted_task_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    chaos = run_chaos(tmp_path, Plan(tasks=40, seconds=7.0, seed=1, job_seconds=0.05))
    assert chaos.killer.times.keys() == {each.name for each in chaos.fleet.victims}
    assert not chaos.findings, report(chaos)


def test_no_accepted_task_is_lost_with_postgresql_and_two_of_each(tmp_path: Path) -> None:
    plan = Plan(tasks=40, seconds=6.0, seed=1, job_seconds=0.05, postgresql=True)
    chaos = run_chaos(tmp_path, plan)
    assert chaos.killer.times.keys() == {each.name for each in chaos.fleet.victims}
    assert not chaos.findings, report(chaos)
