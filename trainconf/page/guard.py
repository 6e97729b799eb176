"""Who is let in: by which name the page was asked for, from which page, and with which token. And what every answer says to a browser.

The page has no cookie: nothing is sent by a browser of itself, so no other page can ask in somebody's name. A port of this machine is
open to every user of it: so the token is asked for before anything else is looked at, but for the empty page.
"""

from __future__ import annotations

import hmac

from trainconf.page.wire import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainconf.page.site import Site

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; frame-src 'self';"
    " base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; frame-ancestors {frames}"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
LINK_HINT = "open the link that it printed, or type `trainconf ui --link` there"
WRITING = ("POST", "PUT", "PATCH", "DELETE")


def check_names(site: Site, method: str, headers: Mapping[str, str]) -> None:
    """Refuse what a page of a foreign name sends here (DNS rebinding), and what a foreign page writes. Raises Refusal.

    The port is not compared: `ssh -L 9000:…` changes it.
    """
    host = headers.get("host", "")
    if _name(host) not in site.hosts:
        raise Refusal(
            421, f"this page is not known as {host!r}", allowed=list(site.hosts),
            hint="open the link as it was printed; a name of your own needs `trainconf ui --allow-host NAME`",
        )  # fmt: skip
    origin = headers.get("origin")
    if origin is None and method not in WRITING:
        return
    if origin is None or origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
        raise Refusal(403, f"a request from {origin or 'a page of no known origin'} is not answered", allowed=[f"http://{host}"])


def check_token(site: Site, headers: Mapping[str, str]) -> None:
    """Refuse whoever does not bear the token of this start. Raises Refusal."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), site.token.encode()):
        import os

        raise Refusal(401, f"this page belongs to a `trainconf ui` on {os.uname().nodename}", hint=LINK_HINT)


def headers_of(site: Site, content_type: str, policy: str = DATA_POLICY) -> list[tuple[bytes, bytes]]:
    """What every answer bears."""
    found = {
        "content-type": content_type, "content-security-policy": policy, "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
    }  # fmt: skip
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in found.items()]


def page_policy(site: Site) -> str:
    """The policy of the page itself: only its own scripts and styles, and no text that becomes HTML but by lit-html (Trusted Types)."""
    return PAGE_POLICY.format(frames=" ".join(site.frames) or "'none'")


def file_policy(site: Site, policy: str) -> str:
    """The policy of a file that somebody's job has written: only the page itself may show it in a frame."""
    return " ".join((policy + "; frame-ancestors 'self'", *site.frames))


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()
