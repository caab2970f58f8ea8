"""Resources that Terraform can release after a pull, and those that it keeps."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from reconciler.frozen_dataclass import dataclass
from reconciler.pull.terraform_state import ManagedEntry, Resource, TerraformState


@dataclass(frozen=True, slots=True)
class Handover:
    """Addresses of resources, without the keys of `count` and `for_each`.

    `released` can be removed from the configuration without destroying anything. `held` are
    resources of which an instance was not pulled: a `removed` block names all instances of one.
    `staying` counts the provider's other resources by type, and `referring` are those of them that
    refer to a released one.
    """

    released: tuple[str, ...]
    held: tuple[str, ...]
    staying: Mapping[str, int]
    referring: tuple[str, ...]


def handover(state: TerraformState, pulled: Collection[str]) -> Handover:
    """Return the resources that Terraform can release once files declare `pulled`."""
    done = {resource.configured for resource in _resources(state, pulled)}
    rest = set(state.integrations) - set(pulled)
    left = {resource.configured for resource in _resources(state, rest)}
    left |= {r.configured for found in state.access_only.values() for r in found}
    left |= {entry.resource.configured for slug in pulled for entry in _unwritten(state, slug)}
    released = done - left
    return Handover(
        released=tuple(sorted(released)),
        held=tuple(sorted(left)),
        staying=Counter(sorted(other.type for other in state.others)),
        referring=tuple(
            sorted({o.address for o in state.others if released.intersection(o.depends_on)})
        ),
    )


def _resources(state: TerraformState, slugs: Collection[str]) -> Iterator[Resource]:
    """Yield the resources of integrations and of their access."""
    for slug in slugs:
        yield state.integrations[slug].resource
        for entry in _entries(state, slug):
            yield entry.resource


def _entries(state: TerraformState, slug: str) -> Iterator[ManagedEntry]:
    yield from state.models.get(slug, ())
    yield from state.workspaces.get(slug, ())


def _unwritten(state: TerraformState, slug: str) -> Iterator[ManagedEntry]:
    """Yield the entries that no file declares because their identity is sensitive."""
    for entry in _entries(state, slug):
        if entry.is_marked:
            yield entry
