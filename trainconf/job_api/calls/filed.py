"""The files of a run, by their names in it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Sequence


class Filed:
    """The calls for files. ./outputs and ./logs are plain folders: what a script writes there is a file of the run without any call."""

    _store: Any

    def upload_file(self, name: str, path_or_stream: Any) -> str:
        """Copy a file, or what an open binary file has, into the run as `outputs/...` or `logs/...`; its name there.

        A name without one of these folders is put below outputs/. A file of the same name is replaced, at once. Raises FileNotFoundError.
        """
        from trainconf.job_api import files

        return files.put(self._store, name, path_or_stream)

    def upload_files(self, names: Sequence[str], paths: Sequence[Any]) -> List[str]:
        """Copy several files into the run. Raises ValueError unless there are as many names as paths, and before anything is copied."""
        from trainconf.job_api import files

        names, paths = list(names), list(paths)
        if len(names) != len(paths):
            raise ValueError("there are %d names and %d paths; each file has one of both" % (len(names), len(paths)))
        for name in names:
            files.checked_name(name)
        return [files.put(self._store, names[number], path) for number, path in enumerate(paths)]

    def upload_folder(self, name: str, path: Any) -> List[str]:
        """Copy all files below a folder into the run, below `name`; their names there. Links are not followed."""
        from trainconf.job_api import files

        return files.put_folder(self._store, name, path)

    def download_file(self, name: str, output_file_path: Any = None) -> str:
        """Copy a file of the run to a path, into a folder, or by default into the current folder; where it is now.

        Raises FileNotFoundError, which names the files there are.
        """
        from trainconf.job_api import files

        return files.get(self._store, name, output_file_path)

    def download_files(self, prefix: Optional[str] = None, output_directory: Any = None, *, append_prefix: bool = True) -> List[str]:
        """Copy the files below a folder of the run, or all files, into a folder; where they are now.

        They keep their whole names there; without `append_prefix` what follows the prefix. Raises FileNotFoundError when there is none.
        """
        import os

        from trainconf.job_api import files

        folder = os.curdir if output_directory is None else os.fspath(output_directory)
        before = (prefix or "").rstrip("/")
        found = []
        for name in files.chosen(self.get_file_names(), before):
            kept = name if append_prefix or not before or name == before else name[len(before) + 1 :]
            found.append(self.download_file(name, os.path.join(folder, kept)))
        return found

    def get_file_names(self) -> List[str]:
        """The names of all files of the run: `outputs/...` and `logs/...`."""
        from trainconf.job_api import files

        return list(files.all_of(self._store))
