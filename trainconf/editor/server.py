"""The server: what it does when a file is opened, changed, saved or closed. It speaks on standard input and output."""

from __future__ import annotations

import sys
from typing import Any

from lsprotocol import types

from trainconf.editor.connection import Server
from trainconf.editor.requests import register

WATCHED = ("**/*.yaml", "**/*.yml", "**/_schema.py")


def serve() -> None:
    """Serve one editor until it ends the connection."""
    channel = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints must not get among the messages
    make().start_io(stdout=channel)


def make() -> Server:
    """A server with all its answers."""
    server = Server()
    _register_texts(server)
    register(server)
    return server


def _register_texts(server: Server) -> None:
    @server.feature(types.INITIALIZED)
    async def initialized(_: types.InitializedParams) -> None:
        server.documents.encoding = str(server.workspace.position_encoding)
        server.work.start()
        of_workspace = server.client_capabilities.workspace
        watching = of_workspace.did_change_watched_files if of_workspace is not None else None
        if watching is not None and watching.dynamic_registration:
            options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(pattern) for pattern in WATCHED])
            registration = types.Registration("trainconf-files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
            await server.client_register_capability_async(types.RegistrationParams([registration]))

    @server.feature(types.SHUTDOWN)
    def shutdown(_: Any) -> None:
        server.work.stop()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        server.take(params.text_document.uri, is_saved=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def changed(params: types.DidChangeTextDocumentParams) -> None:
        server.take(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: types.DidSaveTextDocumentParams) -> None:
        server.take(params.text_document.uri, is_saved=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        if server.documents.drop(uri):
            server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))
            server.work.changed_outside()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def changed_outside(_: types.DidChangeWatchedFilesParams) -> None:
        server.work.changed_outside()
