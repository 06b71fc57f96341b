"""How long a worker waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How long the worker waits, in seconds."""

    idle: float = 1.0
    """Between looks at the queue when nothing wakes us: for tasks that become due."""
    away: float = 1.0
    """Between looks whether a GPU service, or room on the disk, is back."""
    storage: float = 10.0
    """Before the next task, where what one has made cannot be stored."""
    backoff: float = 30.0
    """Before an attempt is repeated, at most."""
    hold: float = 20.0
    """That a job which may go on is left to the GPU service that has it."""


USUAL = Pace()
