"""The state of one connection to an editor."""

from __future__ import annotations

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from trainconf import __version__
from trainconf.editor.documents import Documents
from trainconf.editor.work import Work


class Server(LanguageServer):
    """A connection. Editors send whole texts: the files are small, and lines need not be counted alike."""

    def __init__(self) -> None:
        super().__init__("trainconf", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self.documents = Documents()
        self.work = Work(self.documents, self.text_document_publish_diagnostics)

    def take(self, uri: str, *, is_saved: bool = False) -> None:
        """Look at a file's text of now."""
        document = self.workspace.get_text_document(uri)
        opened, told = self.documents.take(uri, document.source, document.version or 0)
        if told and told not in self.documents.told:
            self.documents.told.add(told)
            self.window_show_message(types.ShowMessageParams(types.MessageType.Warning, told))
        if opened is None:
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))
        else:
            self.work.changed(uri, is_saved=is_saved)
