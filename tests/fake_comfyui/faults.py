"""What can be made to go wrong, and for how often.

Mid-job faults strike in the job's working node: its first sampler, or without one its first
executed node. Hanging comes before its first step, everything else halfway through. A job
that finds everything cached has no such node and is spared.
"""

from dataclasses import dataclass
from enum import Enum


class Fault(str, Enum):
    """`value` is the number after `=` in a setting, with its default in brackets."""

    REFUSE_WS = "refuse_ws"  # the socket's handshake is answered with 403
    DROP_WS = "drop_ws"  # mid-job: every socket is closed
    FREEZE_WS = "freeze_ws"  # mid-job: the sockets of that moment stay open and go silent
    NO_EXECUTED_EVENT = "no_executed_event"  # a node's result is in the history only
    DUPLICATE_EVENTS = "duplicate_events"  # every text event arrives twice
    PREVIEWS = "previews"  # samplers send preview frames
    SLOW_STEPS = "slow_steps"  # while it is on, each sampling step takes this much longer (1 s)
    RESTART = "restart"  # mid-job: queue, history and sockets are gone
    HANG = "hang"  # mid-job: nothing happens until interrupted or the fault is cleared
    HANG_DEAF = "hang_deaf"  # the same, and an interrupt does not help
    OOM = "oom"  # mid-job: out of memory
    EXECUTION_ERROR = "execution_error"  # mid-job: the node raises
    ERROR_INSIDE_SUCCESS = "error_inside_success"  # an error, yet the status says success
    LATE_HISTORY = "late_history"  # history written this long after execution_success (0.2 s)
    NODE_ERRORS = "node_errors"  # 200, but with the last output dropped as invalid
    LOST_PROMPT = "lost_prompt"  # accepted, then never heard of again
    SLOW_PROMPT = "slow_prompt"  # queued at once, answered this much later (1 s)
    SLOW_VIEW = "slow_view"  # /view answers this much later (1 s)
    CORRUPT_IMAGE = "corrupt_image"  # /view sends half a file
    VIEW_404 = "view_404"  # the output's file is gone


@dataclass(frozen=True)
class FaultSetting:
    """One switched-on fault; `count` None means always."""

    fault: Fault
    count: int | None = None
    value: float | None = None

    @classmethod
    def parse(cls, text: str) -> "FaultSetting":
        """Read `name[=value][:once|:N|:always]`, for example `slow_view=2.5:once`."""
        head, _, count = text.partition(":")
        name, _, value = head.partition("=")
        words = {"": None, "always": None, "once": 1}
        return cls(
            fault=Fault(name),
            count=words[count] if count in words else int(count),
            value=float(value) if value else None,
        )


class Faults:
    """The faults switched on now."""

    def __init__(self, settings: tuple[FaultSetting, ...] = ()) -> None:
        self._on: dict[Fault, FaultSetting] = {}
        for setting in settings:
            self._put(setting)

    def set(self, fault: Fault | str, count: int | None = None, value: float | None = None) -> None:
        """Switch a fault on for the next `count` times, or always."""
        self._put(FaultSetting(Fault(fault), count, value))

    def clear(self, fault: Fault | str | None = None) -> None:
        """Switch one fault off, or all."""
        if fault is None:
            self._on.clear()
        else:
            self._on.pop(Fault(fault), None)

    def active(self, fault: Fault) -> bool:
        return fault in self._on

    def value(self, fault: Fault, default: float) -> float | None:
        """The number of a fault that is on, none of its counts used up."""
        setting = self._on.get(fault)
        return None if setting is None else default if setting.value is None else setting.value

    def take(self, fault: Fault) -> FaultSetting | None:
        """The setting if the fault is on, using up one of its counts."""
        setting = self._on.get(fault)
        if setting is not None and setting.count is not None:
            self._put(FaultSetting(fault, setting.count - 1, setting.value))
        return setting

    def settings(self) -> list[FaultSetting]:
        return list(self._on.values())

    def _put(self, setting: FaultSetting) -> None:
        if setting.count is not None and setting.count <= 0:
            self._on.pop(setting.fault, None)
        else:
            self._on[setting.fault] = setting
