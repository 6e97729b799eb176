"""`trainconf ui`: the page over the history of a workspace, until Ctrl-C."""

from __future__ import annotations

import os
import signal

from trainconf.cli.arguments.parser import Arguments, count
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.tensorboard.server import has_display, tunnel
from trainconf.errors import UserError
from trainconf.page import standing
from trainconf.page.server import Server
from trainconf.page.site import Site
from trainconf.paths import find_workspace

_VSCODE = ("vscode-webview", "vscode-file")  # schemes of its own panels and window, which no page of the web can have

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from trainconf.page.standing import Other


def run(argv: list[str]) -> int:
    """Serve the page until Ctrl-C; exit code 0. Where a page of this workspace is served already, its link is all that is printed.

    One for a frame is served beside it: the other may not be shown there, and an editor's panel is no reason to end it.
    """
    args = _parse(argv)
    workspace = find_workspace(os.getcwd())
    if args.link:
        printer.data(standing.link(workspace).link)
        return 0
    signal.signal(signal.SIGHUP, signal.default_int_handler)  # a terminal that is closed ends it, as Ctrl-C does
    try:
        with standing.Standing(workspace) as claim:
            other = claim.claim()
            if other is not None and not args.allow_frame:
                return _other(other, args)
            site = Site(workspace, read_only=args.read_only, hosts=args.allow_host, frames=args.allow_frame)
            with Server(site, port=args.port, socket_file=args.socket) as server:
                claim.record(server.link)
                _tell(server, args)
                server.run()
    except KeyboardInterrupt:
        pass  # before uvicorn listens to signals
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Arguments("ui")
    parser.add_argument("--port", metavar="N", type=count, help="port of 127.0.0.1 (default: the first free one from 8787 on)")
    parser.add_argument("--socket", metavar="FILE", default="", help="listen on a socket that is this file, and on no port")
    parser.add_argument("--read-only", action="store_true", help="a page that changes nothing: no cancel, no rerun, no tags")
    parser.add_argument("--allow-host", metavar="NAME", action="append", default=[],
                        help="a name by which the page may be asked for besides localhost; may be given again")
    parser.add_argument("--allow-frame", metavar="ORIGIN", action="append", default=[],
                        help="a page that may show this one in a frame: http://localhost:8888, or vscode-webview://ID; may be given again")
    parser.add_argument("--no-browser", action="store_true", help="open no browser, also where there is a display")
    parser.add_argument("--link", action="store_true", help="print the link of the page that is served now, and start nothing")
    args = parser.parse_args(argv)
    if args.port is not None and args.socket:
        parser.error("--port and --socket do not go together: a page listens on one of them")
    for origin in args.allow_frame:
        if not _is_origin(origin):
            parser.error(f"--allow-frame {origin} is no origin; write http://HOST:PORT, or vscode-webview://ID")
    for name in args.allow_host:
        if not name or any(not (sign.isalnum() or sign in ".-_") for sign in name):
            parser.error(f"--allow-host {name} is no name of a host; leave out the port")
    return args


def _is_origin(text: str) -> bool:
    """Whether it is a scheme, a host and maybe a port: anything else could end the policy that it is written into."""
    scheme, _, host = text.partition("://")
    return scheme in ("http", "https", *_VSCODE) and bool(host) and all(sign.isalnum() or sign in ".-_:[]" for sign in host)


def _other(other: Other, args: argparse.Namespace) -> int:
    """Tell of the page that is served already. Raises UserError where another kind of page was asked for."""
    where = f"pid {other.pid} on {other.host}" if other.pid else "by another user"
    if args.port is not None or args.socket or args.read_only or args.allow_host:
        raise UserError(
            "a page of this workspace is served already, with options of its own", ("served", where),
            hint=f"end it first (`kill {other.pid}` on {other.host}), or leave the options out" if other.pid else "",
        )  # fmt: skip
    printer.info(one_line(f"a page of this workspace is served already: {where}"))
    if other.link:
        printer.data(other.link)
    return 0


def _tell(server: Server, args: argparse.Namespace) -> None:
    if args.socket:
        path = os.path.abspath(args.socket)
        here = f"{os.uname().nodename}"
        printer.info(one_line(f"from your own machine: ssh -N -L {server.link_port}:{path} {here}"))
    elif tunnelled := tunnel(server.site.port):
        printer.info(f"from your own machine: {one_line(tunnelled)}")
    printer.info("this machine only; Ctrl-C ends it")
    printer.data(server.link)
    printer.flush()
    if has_display() and not args.no_browser and not args.socket:
        server.open_browser()
