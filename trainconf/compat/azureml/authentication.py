"""Logins, which nothing here needs: each may be made, and says so once."""

from __future__ import annotations

from trainconf.compat.azureml.said import once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class AbstractAuthentication:
    """A login. Nothing is logged in to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        once(f"{type(self).__name__} does nothing here: nothing is logged in to")

    def get_authentication_header(self) -> dict[str, str]:
        """Not carried out."""
        from trainconf.compat.azureml.absent import not_here

        raise not_here(f"azureml.core.authentication.{type(self).__name__}.get_authentication_header", "there is no service to ask")

    get_token = get_authentication_header


class InteractiveLoginAuthentication(AbstractAuthentication):
    """A login in a browser."""


class ServicePrincipalAuthentication(AbstractAuthentication):
    """A login of a program."""


class AzureCliAuthentication(AbstractAuthentication):
    """A login by the command `az`."""


class MsiAuthentication(AbstractAuthentication):
    """A login of a machine."""


class TokenAuthentication(AbstractAuthentication):
    """A login by a token."""


class Audience:
    """What a token is for."""

    ARM = AZUREML = arm = aml = ""
