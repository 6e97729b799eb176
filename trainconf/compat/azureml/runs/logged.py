"""What a run logs, by the original's order of arguments; and what it has logged, in the original's shapes."""

from __future__ import annotations

from contextlib import contextmanager

from trainconf.compat.azureml.exceptions import UserErrorException, told_as
from trainconf.compat.azureml.runs import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


@contextmanager
def user_errors() -> Iterator[None]:
    """What our own calls refuse by Python's kinds of errors, the original refuses by one of its own."""
    try:
        with told_as(UserErrorException):
            yield
    except (TypeError, ValueError, FileNotFoundError, LookupError) as error:
        raise UserErrorException(str(error), error) from error


class Logged:
    """The calls that log."""

    ours: Any
    id: Any
    get_children: Any

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:
        """Record one value. Raises UserErrorException for a list."""
        with user_errors():
            self.ours.log(name, value, step, description=description)

    def log_list(self, name: str, value: Any, description: str = "") -> None:
        """Record several values of one metric."""
        with user_errors():
            self.ours.log_list(name, value, description=description)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:
        """Record a row of a table."""
        with user_errors():
            self.ours.log_row(name, description or "", **kwargs)

    def log_table(self, name: str, value: Any, description: str = "") -> None:
        """Record a table."""
        with user_errors():
            self.ours.log_table(name, value, description)

    def log_image(self, name: str, path: str | None = None, plot: Any = None, description: str = "") -> None:
        """Record an image: a file, or a plot of matplotlib."""
        with user_errors():
            self.ours.log_image(name, path, plot, description)

    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        with user_errors():
            self.ours.log_confusion_matrix(name, value, description)

    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        with user_errors():
            self.ours.log_accuracy_table(name, value, description)

    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        with user_errors():
            self.ours.log_residuals(name, value, description)

    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        with user_errors():
            self.ours.log_predictions(name, value, description)

    def get_metrics(self, name: str | None = None, recursive: bool = False, run_type: Any = None, populate: bool = False) -> Any:
        """What was logged: one value as that value, several as a list, a table as its columns. With `recursive` by the runs' ids."""
        own = shapes.metrics(self.ours.get_metrics(name))
        if not recursive:
            return own
        return {self.id: own, **{child.id: child.get_metrics(name) for child in self.get_children(recursive=True)}}
