"""Users of an integration in one line, for plans and for `get --used-by`."""

from reconciler.diagnostics import counted, named
from reconciler.domain.usage import Usage
from reconciler.views import phrases
from reconciler.views.escape import visible


def used_by(usage: Usage) -> str:
    """Return a line such as `used by 3 providers in 2 workspaces (ws-a, ws-b), 5 configs`."""
    parts = [*_providers(usage), *_configs(usage)]
    if not parts:
        return phrases.NOT_USED if usage.complete else phrases.USAGE_UNKNOWN
    line = f"{phrases.USED_BY} {', '.join(parts)}"
    return line if usage.complete else f"{line}; {phrases.USAGE_INCOMPLETE}"


def _providers(usage: Usage) -> list[str]:
    if not usage.providers:
        return []
    text = counted(len(usage.providers), "provider")
    names = [visible(name, limit=255) for name in usage.workspaces]
    if names:
        text += f" in {counted(len(names), 'workspace')} ({named(names, limit=phrases.LISTED)})"
    return [text]


def _configs(usage: Usage) -> list[str]:
    possible = sum(config.possible for config in usage.configs)
    certain = len(usage.configs) - possible
    parts = [counted(certain, "config")] if certain else []
    if possible and certain:
        parts.append(f"possibly {possible} more")
    elif possible:
        parts.append(f"possibly {counted(possible, 'config')}")
    return parts
