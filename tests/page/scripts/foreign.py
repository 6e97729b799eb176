"""What other pages get of `trainconf ui`, in a headless Chromium. Run as browse.py is: `python foreign.py CASE LINK [WORD…]`; prints JSON.

Each knows the token, which nobody else should: what is proven is the second wall.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from browse import CHROMIUM, FLAGS, Case, carry_out

NAME = "rebound.example"  # which the browser takes for this machine
# A browser that has no wall of its own between the net and this machine: what is proven is ours.
REBINDING = [f"--host-resolver-rules=MAP {NAME} 127.0.0.1", "--disable-features=LocalNetworkAccessChecks"]
# Reads with the token and without, writes as a form may, and shows the page in a frame: what became of each.
TRY = """async ([origin, token, run]) => {
  const asked = async (path, how) => {
    try {
      const answer = await fetch(origin + path, how);
      return answer.type === 'opaque' ? 'opaque' : `${answer.status} ${await answer.text()}`;
    } catch (error) { return 'refused'; }
  };
  const headers = { Authorization: `Bearer ${token}` };
  const body = JSON.stringify({ runs: [run], tags: { stolen: 'yes' }, do: true });
  const framed = (path) => new Promise((done) => {
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.onload = done;
    frame.src = origin + path;
  });
  return {
    read: await asked('/api/runs', { headers }), plain: await asked('/api/runs', { mode: 'no-cors' }),
    written: await asked('/api/actions/tag', { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body }),
    form: await asked('/api/actions/tag', { method: 'POST', mode: 'no-cors', body }),
    framed: await framed(`/#t=${token}`) && null,
  };
}"""


def parts(link: str) -> tuple[str, int, str]:
    """The origin of the page, its port, and its token."""
    found = urlsplit(link)
    assert found.port
    return f"{found.scheme}://{found.netloc}", found.port, found.fragment.removeprefix("t=")


def another_origin(case: Case) -> Any:
    """A page of another port of this machine, which any of its users can serve."""
    (run,) = case.words
    origin, _, token = parts(case.link)

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>another</title><body>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = case.browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        seen = {**page.evaluate(TRY, [origin, token, run]), "framed": page.frames[1].url}
        server.shutdown()
    return seen


def notebook(case: Case) -> Any:
    """A page of another port that may show this one in a frame: what the frame says, and whether a command can be copied there."""
    (port,) = case.words

    class Notebook(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            frame = f"<iframe width=900 height=600 src='{case.link}'></iframe>"
            self.wfile.write(f"<title>a notebook</title><textarea></textarea>{frame}".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", int(port)), Notebook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = case.browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://localhost:{server.server_port}/")
        frame = page.frame_locator("iframe")
        frame.locator("td.name a").first.click()
        frame.locator(".state-line").wait_for()
        frame.get_by_role("button", name="copy the command").click()
        frame.locator(".toasts p").wait_for()
        page.locator("textarea").click()
        page.keyboard.press("Control+V")
        seen = {"run": frame.locator("h1").inner_text(), "copied": page.locator("textarea").input_value(), "errors": errors}
        server.shutdown()
    return seen


def another_name(case: Case) -> Any:
    """A stranger's page whose name leads to this machine once it is loaded, so that the browser takes both for one."""
    (run,) = case.words
    _, port, token = parts(case.link)
    browser = case.browser.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, *REBINDING])
    page = browser.new_page()
    strangers = f"http://{NAME}:{port}/stranger"
    page.route(strangers, lambda route: route.fulfill(content_type="text/html", body="<title>a stranger</title><body>"))
    page.goto(strangers)
    seen = {**page.evaluate(TRY, ["", token, run]), "framed": page.frames[1].url}
    answer = page.goto(f"http://{NAME}:{port}/#t={token}")
    assert answer
    seen |= {"status": answer.status, "text": page.inner_text("body")}
    browser.close()
    return seen


CASES = {each.__name__: each for each in (another_origin, notebook, another_name)}

if __name__ == "__main__":
    carry_out(CASES)
