"""`trainconf check`: whether every config and every frozen file of the workspace is still true."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.workspace.check import Checked, check
from trainconf.paths import find_workspace

SHOWN_PLACES = 5
ABOUT = (
    "Compose every experiment and every other choice of the workspace, with the commands in their comments, and check its frozen files. "
    "Nothing is run."
)


def run(argv: list[str]) -> int:
    """Print every mistake once, with all places that have it; 1 when there are any."""
    parser = Arguments("check", ABOUT)
    parser.add_argument("--json", action="store_true", help="print a JSON array: what, place, mistakes")
    parser.add_argument("--may-differ", action="store_true",
                        help="frozen files may be of an earlier config or code: they must be whole, and their code must be found")
    args = parser.parse_args(argv)
    found = list(check(find_workspace(os.getcwd()), may_differ=args.may_differ))
    wrong = [each for each in found if each.mistakes]
    if args.json:
        printer.json([_as_json(each) for each in found])
    elif wrong:
        printer.data("\n\n".join(_texts(wrong)))
    count = sum(each.absent_inputs for each in found)
    absent = f"; {count} inputs are not here" if count else ""
    printer.info(("\n" if wrong else "") + f"{len(found)} checked, {len(wrong)} wrong{absent}")
    return 1 if wrong else 0


def _texts(wrong: list[Checked]) -> list[str]:
    """Each mistake once, with the places that have it below."""
    places: dict[str, list[str]] = {}
    for each in wrong:
        for mistake in each.mistakes:
            named = each.what if each.place in each.what else f"{each.what}  ({each.place})"
            places.setdefault(mistake.render(), []).append(named)
    texts = []
    for text, where in places.items():
        shown = where[:SHOWN_PLACES] + ([f"and {len(where) - SHOWN_PLACES} more"] if len(where) > SHOWN_PLACES else [])
        lines = [*(f"in {place}" for place in shown), *(f"  {line}".rstrip() for line in text.split("\n"))]
        texts.append("\n".join(map(one_line, lines)))
    return texts


def _as_json(each: Checked) -> dict[str, object]:
    mistakes = [{"what": mistake.what, "facts": dict(mistake.facts), "hint": mistake.hint} for mistake in each.mistakes]
    return {"what": each.what, "place": each.place, "mistakes": mistakes}
