"""Every address has its function, also those whose module is loaded later."""

from __future__ import annotations

from contextlib import suppress

import pytest

from trainconf.errors import TrainconfError
from trainconf.page.request import Route
from trainconf.page.routes import ROUTES
from trainconf.page.wire import Refusal

from .conftest import Ask


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_address_answers_or_refuses_in_words(ask: Ask, route: Route) -> None:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    with suppress(TrainconfError, Refusal):
        ask(route.answer, params=dict.fromkeys(names, "no such thing"))
