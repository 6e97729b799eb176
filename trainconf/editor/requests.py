"""The requests of the protocol that ask about a place, each with what answers it."""

from __future__ import annotations

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from trainconf.editor.answers.complete import complete
from trainconf.editor.answers.definition import definition
from trainconf.editor.answers.hover import hover
from trainconf.editor.answers.lenses import lenses
from trainconf.editor.answers.rename import param_at, rename, span_at
from trainconf.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.editor.connection import Server
    from trainconf.editor.documents import Opened

TRIGGERS = [".", "{", "/", ":", " ", "="]


def register(server: Server) -> None:
    """Let a server answer them."""

    def place(document: types.TextDocumentIdentifier, at: types.Position) -> tuple[Opened | None, int]:
        opened = server.documents.open.get(document.uri)
        return opened, 0 if opened is None else opened.text.index(at.line, at.character)

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=TRIGGERS))
    async def completion(params: types.CompletionParams) -> list[types.CompletionItem]:
        opened, index = place(params.text_document, params.position)
        return [] if opened is None else complete(opened, await server.work.known(opened), index)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        opened, index = place(params.text_document, params.position)
        return None if opened is None else hover(opened, await server.work.known(opened), index)

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def defined(params: types.DefinitionParams) -> types.Location | None:
        opened, index = place(params.text_document, params.position)
        return None if opened is None else definition(opened, await server.work.known(opened), index)

    @server.feature(types.TEXT_DOCUMENT_CODE_LENS)
    def lens(params: types.CodeLensParams) -> list[types.CodeLens]:
        opened = server.documents.open.get(params.text_document.uri)
        return [] if opened is None else lenses(opened)

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def can_be_renamed(params: types.PrepareRenameParams) -> types.Range | None:
        opened, index = place(params.text_document, params.position)
        span = None if opened is None else span_at(opened, param_at(opened, index), index)
        return None if opened is None or span is None else opened.places.range(span)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def renamed(params: types.RenameParams) -> types.WorkspaceEdit | None:
        opened, index = place(params.text_document, params.position)
        param = () if opened is None else param_at(opened, index)
        if opened is None or not param:
            raise JsonRpcInvalidParams("only params can be renamed")
        try:
            edit, left_to_do = rename(opened, server.documents, param, params.new_name)
        except UserError as error:
            raise JsonRpcInvalidParams(error.render()) from error
        if left_to_do:
            server.window_show_message(types.ShowMessageParams(types.MessageType.Info, left_to_do))
        return edit
