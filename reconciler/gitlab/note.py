"""Sticky note: one for each environment on a merge request, found again and updated in place.

It is found by its marker, in notes of the token's user only, since anyone may write a text that
begins with the marker.
"""

from reconciler.github.bodies import Marker
from reconciler.github.rest import JsonObject
from reconciler.gitlab.client import GitLab, GitLabUnreachable, required_id


async def upsert(
    gitlab: GitLab, *, merge_request: int, marker: Marker, text: str, only_update: bool = False
) -> str:
    """Write the note or update the existing one, and return in one word what was done.

    With `only_update` nothing is written where there is no note yet.
    """
    body = marker.line + text
    path = f"{gitlab.path}/merge_requests/{merge_request}/notes"
    user = await gitlab.user_id()
    note = await _find(gitlab, path, marker=marker, user=user)
    if note is None and only_update:
        return "nothing"
    if note is None:
        try:
            await gitlab.post(path, {"body": body})
        except GitLabUnreachable:
            # It may have arrived. A second note would never be updated, so look first.
            if await _find(gitlab, path, marker=marker, user=user) is None:
                await gitlab.post(path, {"body": body})
        return "written"
    if same_text(note["body"], body):
        return "unchanged"
    await gitlab.send("PUT", f"{path}/{required_id(note, 'id')}", {"body": body})
    return "updated"


def same_text(existing: str, body: str) -> bool:
    """Return whether two texts are equal but for line ends and space around them."""
    return existing.replace("\r\n", "\n").strip() == body.strip()


async def _find(gitlab: GitLab, path: str, *, marker: Marker, user: int) -> JsonObject | None:
    """Return the oldest note with the marker that the user has written."""
    # The oldest one, so that after two jobs wrote at the same time both update the same note.
    for note in await gitlab.pages(f"{path}?sort=asc&order_by=created_at"):
        author, body = note.get("author"), note.get("body")
        is_own = isinstance(author, dict) and author.get("id") == user
        if is_own and isinstance(body, str) and marker.matches(body):
            return note
    return None
