"""Is it there? Read one integration, and tell absence from denial.

A JSON 404 on the path means absent. A 403 alone means nothing, because the API answers 403 for
missing things too (remote/API.md §1.7); with a complete list that lacks the slug it means absent.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from reconciler.domain.policy import NO_KNOWN_FIELDS, KnownFields
from reconciler.domain.state import Observed
from reconciler.remote.api import IntegrationsAPI
from reconciler.remote.errors import Forbidden
from reconciler.remote.observe import read_one


@dataclass(frozen=True)
class ExistenceCheck:
    """Reads single integrations. `listed` are the slugs of the complete list of the plan.

    `list_again` returns those of a new complete list; it is called only where a read of one
    integration proves nothing.
    """

    api: IntegrationsAPI
    listed: Collection[str]
    list_again: Callable[[], Awaitable[Collection[str]]]
    known_fields: KnownFields = field(default_factory=lambda: NO_KNOWN_FIELDS)

    async def read(
        self, slug: str, *, models: bool = False, workspaces: bool = False, certain: bool = False
    ) -> Observed | None:
        """Give the integration as it is now, None where it is certainly absent.

        `certain` is for a slug that we may have written since the plan's list: then only a new
        list counts. Raises `Forbidden` for one that is listed and may not be read.
        """
        try:
            return await read_one(
                self.api,
                slug,
                models=models,
                workspaces=workspaces,
                known_fields=self.known_fields,
            )
        except Forbidden:
            if (certain or slug in self.listed) and slug in await self.list_again():
                raise
            return None

    async def serves(self, slug: str, *, certain: bool = False) -> bool:
        """Tell whether a slug exists and is not archived; one that may not be read exists."""
        try:
            found = await self.read(slug, certain=certain)
        except Forbidden:
            return True
        return found is not None and not found.is_archived
