"""What the public record leaves open about the remote API, as one switch each.

The first value of every switch is the default (remote/API.md §9); each says where the doubt
comes from. What is documented has no switch: see `reconciler.simulator.api`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from reconciler.errors import ReconcilerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How this stand-in answers the open questions."""

    configurations_put: Literal["replace", "merge"] = "replace"
    """Whether an update's `configurations` replaces the stored object (§2)."""
    missing: Literal["404_AB08", "403_AB03"] = "404_AB08"
    """How a slug that does not exist is answered (§1.7)."""
    duplicate_slug: Literal["409_AB07", "400_AB01", "suffixed"] = "409_AB07"
    """How a create of a taken slug is answered; `suffixed` makes another slug of it (§1.7)."""
    delete: Literal["hard", "archived"] = "hard"
    """Whether a deleted integration disappears or stays with `status: archived` (§1.6)."""
    slug_reuse_after_delete: bool = True
    """Whether the slug of a deleted integration may be taken again (§1.6)."""
    delete_with_providers: Literal["allow", "refuse"] = "allow"
    """Whether an integration with dependent providers can be deleted (§1.6)."""
    detail_shape: Literal["observed", "documented"] = "observed"
    """Whether answers have the field names seen in the wild or those of the specification."""
    workspace_id_form: Literal["slug", "uuid"] = "slug"
    """The form in which workspace ids come back (§1.4, §5.2)."""
    reference_form: Literal["as_sent", "uuid"] = "as_sent"
    """The form in which `secret_reference_id` comes back (§4)."""
    flexbool: Literal["mixed", "bool"] = "mixed"
    """Whether a model's flags come back in the three wire forms seen or as booleans (§5.1)."""
    put_body: Literal["{}", "empty"] = "{}"
    """What a successful update or delete carries (§1.5, §1.6)."""
    empty_put: Literal["accept", "refuse"] = "accept"
    """Whether an update without a field is an error (§2)."""
    unexpected_fields: Literal["refuse", "ignore", "keep"] = "refuse"
    """What becomes of unknown and immutable fields in a body (§2); `keep` stores them, as an API
    does that has grown fields.
    """
    immutable_fields: Literal["as_unexpected", "change"] = "as_unexpected"
    """Whether an update may change `ai_provider_id`, or `unexpected_fields` decides (§2)."""
    description_null: Literal["clear", "keep"] = "clear"
    """What `description: null` does; `""` always clears (§2)."""
    server_added_fields: bool = False
    """Whether `configurations` comes back with a `provider_auth_type` nobody sent (§1.4)."""
    require_provider_auth_type: bool = False
    """Whether `custom_host` needs `provider_auth_type: apiKey` beside it (§3)."""
    mask_aws_ids: bool = False
    """Whether `aws_access_key_id` and `aws_external_id` are masked (§3)."""
    models_delete: Literal["query", "query_or_body"] = "query"
    """Whether models can also be named in the body of a delete, as one client sends them (§5.1)."""
    unknown_model_delete: Literal["refuse", "ignore"] = "refuse"
    """What deleting a model that is not there does (§5.1)."""
    empty_usage_limits: Literal["clear", "refuse"] = "clear"
    """Whether `usage_limits: []` takes a budget away as null does, or is refused (§5.2)."""
    access_touches_integration: bool = True
    """Whether writing models or workspaces moves the integration's `last_updated_at` (§6)."""
    base_models: Literal["hidden", "listed"] = "hidden"
    """Whether the models of an integration include those of the provider's catalogue (§5.1)."""
    list_order: Literal["created", "newest"] = "created"
    """The order of the list (§1.2)."""
    detail_404: str = ""
    """Slugs, separated by commas, that are listed and whose detail answers 404 (§6)."""
    page_max: int = 100
    """The largest page given, whatever is asked for (§1.2)."""
    larger_page: Literal["cut", "refuse"] = "cut"
    """What becomes of a request for a page larger than `page_max` (§1.2)."""
    stale_read_ms: int = 0
    """For how long after a write reads still show what was before it (§6)."""
    rate_limit_after: int = 0
    """After how many answered requests one is refused with 429; 0 for never (§7)."""
    retry_after: str = ""
    """The `Retry-After` of that refusal; empty for none (§7)."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "Switches":
        """Read switches by name; raises `InvalidSwitch` for an unknown name or value."""
        hints = get_type_hints(cls)
        for name, value in given.items():
            if name not in hints:
                raise InvalidSwitch(name, value, [field.name for field in fields(cls)])
            allowed = get_args(hints[name])
            fits = value in allowed if allowed else type(value) is hints[name]
            if not fits:
                raise InvalidSwitch(name, value, list(allowed) or [hints[name].__name__])
        return cls(**given)


class InvalidSwitch(ReconcilerError):
    """A switch of the simulator that does not exist, or a value that it cannot have."""

    exit_code = 3

    def __init__(self, name: str, value: object, allowed: list[str]) -> None:
        super().__init__(
            f"the simulator has no switch `{name}` with the value {value!r}",
            code="invalid-switch",
            hint=f"one of: {', '.join(allowed)}",
        )
