"""Issues of a project on GitLab, for the drift issue."""

from reconciler.frozen_dataclass import dataclass
from reconciler.github.issue import LABEL, Issue
from reconciler.github.rest import RestError
from reconciler.gitlab.client import GitLab, GitLabUnreachable, required_id


@dataclass(frozen=True, slots=True)
class GitLabIssues:
    """Issues of a project; see `reconciler.github.issue.IssueTracker`."""

    gitlab: GitLab

    @property
    def unreachable(self) -> type[RestError]:
        """Return the error of a write that may have arrived or not."""
        return GitLabUnreachable

    async def labelled(self) -> list[Issue]:
        """Return all issues with the label, open and closed."""
        return [
            Issue(required_id(item, "iid"), item.get("state") == "opened", item["description"])
            for item in await self.gitlab.pages(f"{self._path}?scope=all&labels={LABEL}")
            if LABEL in (item.get("labels") or []) and isinstance(item.get("description"), str)
        ]

    async def create(self, title: str, body: str) -> None:
        """Open an issue with the label."""
        # GitLab creates a label that the project does not have yet.
        await self.gitlab.post(self._path, {"title": title, "description": body, "labels": LABEL})

    async def update(self, number: int, body: str, *, is_open: bool | None) -> None:
        """Set text and state of an issue; None leaves the state as it is."""
        changes = {"description": body}
        if is_open is not None:
            changes |= {"state_event": "reopen" if is_open else "close"}
        await self.gitlab.send("PUT", f"{self._path}/{number}", changes)

    async def comments(self, number: int) -> list[str]:
        """Return the comments on an issue, oldest first."""
        path = f"{self._path}/{number}/notes?sort=asc&order_by=created_at"
        return [str(item.get("body")) for item in await self.gitlab.pages(path)]

    async def comment(self, number: int, text: str) -> None:
        """Comment on an issue, which notifies its readers."""
        await self.gitlab.post(f"{self._path}/{number}/notes", {"body": text})

    @property
    def _path(self) -> str:
        return f"{self.gitlab.path}/issues"
