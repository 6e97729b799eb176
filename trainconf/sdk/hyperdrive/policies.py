"""When a trial is stopped early. An interval is one log of the primary metric."""

from __future__ import annotations

from trainconf.sdk.settings.arguments import Arguments
from trainconf.sdk.settings.checked import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

DELAY = 5  # as `sweep/policy` has it: at 0, HyperDrive's default, bandit loses the best trial of most searches (docs/sweeps.md)


class EarlyTerminationPolicy(Settings):
    """Base of the policies.

    evaluation_interval: a trial is judged at every so many logs. delay_evaluation: logs before it is judged for the first time; by
    default 5.
    """

    _names: ClassVar[tuple[str, ...]] = ("evaluation_interval", "delay_evaluation")
    _kind: ClassVar[str] = "none"
    evaluation_interval: int
    delay_evaluation: int

    def __init__(self, evaluation_interval: int = 1, delay_evaluation: int = DELAY) -> None:
        self._set(evaluation_interval=evaluation_interval, delay_evaluation=delay_evaluation)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        arguments.whole("evaluation_interval", values["evaluation_interval"], minimum=1)
        arguments.whole("delay_evaluation", values["delay_evaluation"])

    def _layer(self) -> tuple[list[str], dict[str, Any]]:
        """The choice of `sweep/policy` as an override, and its values."""
        policy = {name: value for name, value in self._values.items() if value is not None}
        return [f"sweep/policy={self._kind}"], {"sweep": {"policy": policy}}


class BanditPolicy(EarlyTerminationPolicy):
    """Stops a trial that is further from the best one than the slack.

    slack_factor: relative; slack_amount: absolute. One of them; 0 is a value.
    """

    _names = (*EarlyTerminationPolicy._names, "slack_factor", "slack_amount")
    _kind = "bandit"
    slack_factor: float | None
    slack_amount: float | None

    def __init__(
        self, evaluation_interval: int = 1, slack_factor: float | None = None, slack_amount: float | None = None,
        delay_evaluation: int = DELAY,
    ) -> None:  # fmt: skip
        self._set(
            evaluation_interval=evaluation_interval, slack_factor=slack_factor, slack_amount=slack_amount, delay_evaluation=delay_evaluation
        )

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        super()._checked(arguments, values)
        given = [name for name in ("slack_factor", "slack_amount") if values[name] is not None]
        for name in given:
            value = values[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                arguments.refuse(name, value, "a number from 0 on")
        if len(given) != 1:
            what = "slack_factor and slack_amount are both given" if given else "neither slack_factor nor slack_amount is given"
            arguments.wrong(f"BanditPolicy: {what}", ("allowed", "one of them"), hint="" if given else "slack_factor=0.1")


class MedianStoppingPolicy(EarlyTerminationPolicy):
    """Stops a trial whose best value is below the median of the other trials' means. The safest one."""

    _kind = "median"


class TruncationSelectionPolicy(EarlyTerminationPolicy):
    """Stops the worst share of the trials that have come as far, `truncation_percentage` per cent: 1 to 99."""

    _names = ("truncation_percentage", *EarlyTerminationPolicy._names)
    _kind = "truncation"
    truncation_percentage: int

    def __init__(self, truncation_percentage: int, evaluation_interval: int = 1, delay_evaluation: int = DELAY) -> None:
        self._set(truncation_percentage=truncation_percentage, evaluation_interval=evaluation_interval, delay_evaluation=delay_evaluation)

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        super()._checked(arguments, values)
        value = values["truncation_percentage"]
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 99:
            arguments.refuse("truncation_percentage", value, "a whole number from 1 to 99")


class NoTerminationPolicy(EarlyTerminationPolicy):
    """Every trial runs to its end."""

    _names = ()

    def __init__(self) -> None:
        self._set()

    def _checked(self, arguments: Arguments, values: dict[str, Any]) -> None:
        pass
