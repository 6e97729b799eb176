"""What an environment holds, from a file that a program names."""

from __future__ import annotations

import os

from trainconf.errors import UserError
from trainconf.sdk.environments.conda import CondaDependencies
from trainconf.sdk.environments.requirement_lines import of_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf import Environment
    from trainconf.sdk.settings.arguments import Arguments


def of_requirements(arguments: Arguments, path: Any) -> CondaDependencies:
    """What a requirements file asks for. Raises UserError."""
    named = arguments.path("the requirements file", path, optional=False)
    arguments.check()
    try:
        lines = of_file(str(named))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UserError(
            f"{arguments.call}: the requirements file cannot be read: {why}", ("from", arguments.place),
            ("looked at", os.path.abspath(str(named))),
        ) from error  # fmt: skip
    found = CondaDependencies()
    found.set_pip_requirements(lines)
    return found


def install(environment: Environment, arguments: Arguments, conda_specification: Any, pip_requirements: Any) -> None:
    """Have installed on an image what one of two files asks for; nothing without one. Raises UserError."""
    if conda_specification is not None and pip_requirements is not None:
        arguments.wrong(f"{arguments.call}: conda_specification and pip_requirements are both given", ("allowed", "one of them"))
        arguments.check()
    if conda_specification is not None:
        environment.python.conda_dependencies = CondaDependencies(conda_specification)
    elif pip_requirements is not None:
        environment.python.conda_dependencies = of_requirements(arguments, pip_requirements)
    else:
        environment.python.user_managed_dependencies = True
