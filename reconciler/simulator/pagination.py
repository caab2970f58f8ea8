"""Which integrations one page of the list holds (remote/API.md §1.2)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler.simulator.messages import invalid_request
from reconciler.simulator.store import Filter, Record
from reconciler.simulator.switches import Switches

_TYPES = ("all", "workspace", "organisation")


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """A page that was asked for: zero-based, and never larger than the switch `page_max`."""

    offset: int
    limit: int
    newest: bool
    filter: Filter

    @property
    def is_plain(self) -> bool:
        """Tell whether the page is cut from the whole list."""
        return self.filter == Filter()

    @classmethod
    def parse(
        cls, query: Mapping[str, str], switches: Switches, stored_workspace: Callable[[str], str]
    ) -> "RequestedPage":
        """Read the query; a page or size that is no count, or an unknown type, is refused."""
        page = _count(query, "current_page", default=0)
        size = _count(query, "page_size", default=100)
        kind = query.get("type") or "all"
        if size == 0 or kind not in _TYPES:
            raise invalid_request()
        if size > switches.page_max and switches.larger_page == "refuse":
            raise invalid_request("page_size is too large")
        size = min(size, switches.page_max)
        workspace = query.get("workspace_id")
        return cls(
            offset=page * size,
            limit=size,
            newest=switches.list_order == "newest",
            filter=Filter(
                kind=None if kind == "all" else kind,
                workspace=stored_workspace(workspace) if workspace else None,
            ),
        )

    def select(self, records: list[Record]) -> tuple[int, list[Record]]:
        """Count the records that belong in the list, and cut the page from them."""
        shown = [record for record in records if self.filter.admits(record)]
        if self.newest:
            shown.reverse()
        return len(shown), shown[self.offset : self.offset + self.limit]


def _count(query: Mapping[str, str], name: str, *, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise invalid_request(f"{name} is invalid")
    return int(text)
