"""What an answer is made from and what it is: a request without HTTP, a JSON object, a file; and a line of the table of addresses."""

from __future__ import annotations

from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from trainconf.page.site import Site
    from trainconf.paths import WorkspacePaths


class Request(Record):
    """A request that was let in. `params` come from the path, `query` from behind it, `body` is the JSON object of a POST.

    Of a word of the query that is there several times, the last one counts.
    """

    site: Site
    params: dict[str, str] = {}  # noqa: RUF012  # nobody changes it
    query: dict[str, str] = {}  # noqa: RUF012
    body: dict[str, Any] = {}  # noqa: RUF012

    @property
    def workspace(self) -> WorkspacePaths:
        """Whose runs are shown."""
        return self.site.workspace

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed from the page."""
        return self.site.read_only


class File(Record):
    """An answer that is a file, or a part of memory. `fd` is closed by whoever sends it; what the file has beyond `size` is not sent.

    policy: the Content-Security-Policy of what is no page of ours.
    """

    content_type: str
    fd: int = -1
    size: int = 0
    data: bytes = b""
    name: str = ""  # under which it is to be saved; empty: it is shown
    policy: str = "sandbox; default-src 'none'"


class Route(Record):
    """An address: a method, a path whose `{name}` is any one segment, and the function that answers.

    writes: whether it changes something: it is refused with --read-only.
    is_open: whether it needs no token: only where the function itself proves that who asks may.
    """

    method: str
    path: str
    answer: Callable[[Request], dict[str, Any] | File]
    writes: bool = False
    is_open: bool = False
