"""Files of the desired state, read again for every request.

The adapter runs for weeks while pull requests are merged, so nothing is cached. Files are read in a
thread. Candidate files of a proposal overlay the real ones and are never saved.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Final

from reconciler.adapter.problems import refuse
from reconciler.desired.load import Loaded, load
from reconciler.desired.source import MAX_FILE, FileSource, MemorySource
from reconciler.frozen_dataclass import dataclass
from reconciler.workflows import Session

PATH_PATTERN: Final = (
    r"^(integrations|access|environments)(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}){1,8}\.ya?ml$"
)
"""Paths of candidate files. Targets are excluded: they decide where the API key is sent."""

Documents = Mapping[str, str | None]
"""Text of candidate files by path; None removes a file."""

OpenSession = Callable[[Loaded], AbstractAsyncContextManager[Session]]
"""Opens a read-only session for files that were loaded without an error."""


@dataclass(frozen=True, slots=True)
class DeclaredFiles:
    """The files of one target; `today` decides which exceptions have expired.

    `source` is called each time, because a deployment may replace the whole folder.
    """

    source: Callable[[], FileSource]
    target: str | None
    today: Callable[[], date]
    base_url: str | None = None

    async def load(self, documents: Documents | None = None) -> Loaded:
        """Load the files, overlaid with candidates."""
        # Parsing a large folder takes seconds, in which other requests must be answered.
        return await asyncio.to_thread(self._load, documents or {})

    async def declared_in(self, slug: str) -> str | None:
        """Return the file that declares a slug, None if there is none.

        Raises the refusal (409) of files with errors, because one of them may declare it.
        """
        loaded = await self.load()
        if loaded.state is None:
            detail = (
                "The files that declare integrations have errors, so the adapter changes nothing."
            )
            raise refuse("managed", 409, detail)
        declared = loaded.state.integrations.get(slug)
        return declared.source.file if declared else None

    def _load(self, documents: Documents) -> Loaded:
        return load(
            Candidate(self.source(), documents) if documents else self.source(),
            target_name=self.target,
            today=self.today(),
            base_url_override=self.base_url,
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file source overlaid with documents; None removes a file."""

    base: FileSource
    documents: Documents

    @property
    def label(self) -> str:
        """The folder as shown in messages."""
        return self.base.label

    def paths(self) -> list[str]:
        """Return the paths of all files after the overlay."""
        removed = {path for path, text in self.documents.items() if text is None}
        return sorted({*self.base.paths(), *self.documents} - removed)

    def other_files(self) -> list[str]:
        """Return the paths of the files that are not YAML; the overlay contains none."""
        return self.base.other_files()

    def read(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return the content of a file after the overlay."""
        if path not in self.documents:
            return self.base.read(path, limit=limit)
        text = self.documents[path]
        # A lone surrogate of JSON becomes bytes that are not UTF-8, which the reader reports.
        files = {} if text is None else {path: text.encode("utf-8", "surrogatepass")}
        # The same limits and errors apply as to a file on disk.
        return MemorySource(files).read(path, limit=limit)

    def has_folder(self, path: str) -> bool:
        """Return whether a folder exists after the overlay."""
        added = any(name.startswith(path + "/") for name in self.paths())
        return added or self.base.has_folder(path)

    def has_file(self, path: str) -> bool:
        """Return whether a path that is not a folder exists after the overlay."""
        return path in self.documents or self.base.has_file(path)
