"""What the files of the desired state say, read afresh each time they are asked.

The adapter runs for weeks while people merge; nothing is kept in memory. Reading happens in a
thread, because it opens files. Candidate files lie over the real ones and are never saved.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from reconciler.adapter.problems import refuse
from reconciler.desired.load import Loaded, load
from reconciler.desired.source import FileSource, MemorySource

PATH_PATTERN: Final = (
    r"^(integrations|access|environments)(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}){1,8}\.ya?ml$"
)
"""Where a candidate may lie. Targets are no matter of proposals: they decide where the key goes."""

Documents = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class DeclaredFiles:
    """The files of one target; `today` decides which exceptions have run out.

    `source` is asked each time, because a deployment may replace the whole folder.
    """

    source: Callable[[], FileSource]
    target: str | None
    today: Callable[[], date]
    base_url: str | None = None

    async def load(self, documents: Documents | None = None) -> Loaded:
        """Load the files, with candidates laid over them."""
        return await asyncio.to_thread(self._load, documents or {})

    async def declared_in(self, slug: str) -> str | None:
        """Tell which file declares a slug, None where none does.

        Files that cannot be read might declare it: that is a refusal (409).
        """
        loaded = await self.load()
        if loaded.state is None:
            detail = "The files that manage integrations have errors, so nothing is changed here."
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
    """Files with some of them replaced, added or, with None, removed."""

    base: FileSource
    documents: Documents

    @property
    def label(self) -> str:
        """Give the folder as it is shown."""
        return self.base.label

    def paths(self) -> list[str]:
        """List the files there would be."""
        removed = {path for path, text in self.documents.items() if text is None}
        return sorted({*self.base.paths(), *self.documents} - removed)

    def read(self, path: str) -> bytes:
        """Give the content a file would have."""
        if path not in self.documents:
            return self.base.read(path)
        text = self.documents[path]
        files = {} if text is None else {path: text.encode("utf-8", "surrogatepass")}
        return MemorySource(files).read(path)

    def has_folder(self, path: str) -> bool:
        """Whether there would be a folder."""
        added = any(name.startswith(path + "/") for name in self.paths())
        return added or self.base.has_folder(path)

    def has_file(self, path: str) -> bool:
        """Whether there would be anything but a folder."""
        return path in self.documents or self.base.has_file(path)
