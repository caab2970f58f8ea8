"""Label of a pull request whose plan has changes; removed when there is nothing left to change."""

from urllib.parse import quote

from reconciler.github.answers import text_at
from reconciler.github.client import GitHub, GitHubNotFound


async def set_label(github: GitHub, *, number: int, label: str, wanted: bool) -> str:
    """Add or remove the label, and return in one word what was done."""
    path = f"/repos/{github.repository}/issues/{number}/labels"
    # GitHub compares the names of labels without regard to case.
    named = {(text_at(item, "name") or "").lower() for item in await github.pages(path)}
    if (label.lower() in named) is wanted:
        return "unchanged"
    if wanted:
        await github.send("POST", path, {"labels": [label]})
        return "added"
    try:
        await github.send("DELETE", f"{path}/{quote(label, safe='')}")
    except GitHubNotFound:
        return "unchanged"  # removed by another in the meantime
    return "removed"
