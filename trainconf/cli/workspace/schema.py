"""`trainconf schema`: write JSON Schemas of the workspace's config files, and tell an editor where they are."""

from __future__ import annotations

import os

from trainconf.cli.arguments.parser import Arguments
from trainconf.cli.screen.printer import one_line, printer
from trainconf.control.json_schema.header import add
from trainconf.control.json_schema.workspace import default_folder, schemas, write
from trainconf.paths import find_workspace


def run(argv: list[str]) -> int:
    """Write the schemas; print the setting that connects them, or with --header name them in files. Raises UserError, StorageError."""
    about = "Write JSON Schemas of this workspace's config files, for editors. Print the settings of VS Code that connect them."
    parser = Arguments("schema", about)
    parser.add_argument("-o", "--output", metavar="DIR", help="write them there, such as into a folder of the repository "
                        "(default: .trainconf/schema)")
    parser.add_argument("--header", metavar="FILE", nargs="+", help="instead of printing settings, name the schema in these files by a "
                        "comment, which other editors read, too")
    given = parser.parse_args(argv)
    workspace = find_workspace(os.getcwd())
    folder = default_folder(workspace) if given.output is None else os.path.abspath(given.output)
    found = schemas(workspace)
    write(found, folder, workspace)
    printer.info(f"wrote {len(found)} schemas to {one_line(os.path.relpath(folder))}")
    if given.header is not None:
        for path in add(workspace, found, folder, given.header):
            printer.info(f"changed  {one_line(os.path.relpath(path))}")
        return 0
    printer.info("For VS Code with its YAML extension: put this into .vscode/settings.json.\n"
                 "For any editor with the YAML language server: `trainconf schema --header FILE ...` names the schema in files.\n")
    at = os.path.relpath(folder, workspace.root).replace(os.sep, "/")
    printer.json({"yaml.schemas": {f"{at}/{each.name}.json": each.patterns for each in found}})
    return 0
