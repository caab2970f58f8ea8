"""Page of a list that a query asks for (remote/API.md §1.2).

Pages count from zero.
"""

from collections.abc import Callable, Mapping

from reconciler.frozen_dataclass import dataclass
from reconciler.simulator.messages import invalid_request
from reconciler.simulator.store import Filter, Record
from reconciler.simulator.switches import Switches

_LIST_TYPES = ("all", "workspace", "organisation")


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """The page of the list that a query asks for, cut at the switch `page_max`.

    Pages count from zero (remote/API.md §1.2).
    """

    offset: int
    limit: int
    newest: bool
    filter: Filter

    @property
    def is_unfiltered(self) -> bool:
        """Whether the page is cut from the list of all integrations."""
        return self.filter == Filter()

    @classmethod
    def parse(
        cls, query: Mapping[str, str], switches: Switches, workspace_key: Callable[[str], str]
    ) -> "RequestedPage":
        """Parse the query; raise `RequestRefused` for a bad number or an unknown type."""
        page = parse_count(query, "current_page", default=0)
        size = parse_count(query, "page_size", default=100)
        kind = query.get("type") or "all"
        if size == 0 or kind not in _LIST_TYPES:
            raise invalid_request()
        if size > switches.page_max and switches.larger_page == "refuse":
            raise invalid_request("page_size is too large")
        # Limited before the offset is computed; otherwise, rows would be skipped between two pages.
        size = min(size, switches.page_max)
        workspace = query.get("workspace_id")
        return cls(
            offset=page * size,
            limit=size,
            newest=switches.list_order == "newest",
            filter=Filter(
                kind=None if kind == "all" else kind,
                workspace=workspace_key(workspace) if workspace else None,
            ),
        )

    def select(self, records: list[Record]) -> tuple[int, list[Record]]:
        """Return how many records match the filter, and the records of the page."""
        matching = [record for record in records if self.filter.matches(record)]
        if self.newest:
            matching.reverse()
        return len(matching), matching[self.offset : self.offset + self.limit]


def parse_count(query: Mapping[str, str], name: str, *, default: int) -> int:
    """Return a number of the query; raise `RequestRefused` for anything else."""
    text = query.get(name)
    if text is None:
        return default
    # `isdigit` alone accepts characters that `int` refuses, such as a superscript two.
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise invalid_request(f"{name} is invalid")
    return int(text)
