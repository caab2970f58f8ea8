"""Open questions about the remote API, with one switch for each.

The first value of a switch is the default (remote/API.md §9); the section after each description
has the evidence. Documented behaviour has no switch: see `reconciler.simulator.api`.
"""

from dataclasses import fields
from typing import Literal, get_args, get_type_hints

from reconciler.errors import ReconcilerError
from reconciler.frozen_dataclass import dataclass
from reconciler.simulator.messages import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Behaviour of a simulated API for undocumented behaviour of the real one."""

    configurations_put: Literal["replace", "merge"] = "replace"
    """Whether an update's `configurations` replaces the stored object (§2)."""
    missing: Literal["404_AB08", "403_AB03"] = "404_AB08"
    """The response to a slug that does not exist (§1.7)."""
    duplicate_slug: Literal["409_AB07", "400_AB01", "suffixed"] = "409_AB07"
    """The response to a create of a taken slug; `suffixed` appends a suffix to it (§1.7)."""
    delete: Literal["hard", "archived"] = "hard"
    """Whether a deleted integration disappears or stays with `status: archived` (§1.6)."""
    slug_reuse_after_delete: bool = True
    """Whether the slug of a deleted integration can be used again (§1.6)."""
    delete_with_providers: Literal["allow", "refuse"] = "allow"
    """Whether an integration with dependent providers can be deleted (§1.6)."""
    detail_shape: Literal["observed", "documented"] = "observed"
    """Whether responses have the field names observed in use or those of the specification."""
    workspace_id_form: Literal["slug", "uuid"] = "slug"
    """The form in which workspace ids are returned (§1.4, §5.2)."""
    reference_form: Literal["as_sent", "uuid"] = "as_sent"
    """The form in which `secret_reference_id` is returned (§4)."""
    flexbool: Literal["mixed", "bool"] = "mixed"
    """Whether a model's flags are returned in the three forms observed or as booleans (§5.1)."""
    put_body: Literal["{}", "empty"] = "{}"
    """The body of a successful update or delete (§1.5, §1.6)."""
    empty_put: Literal["accept", "refuse"] = "accept"
    """Whether an update without a field is an error (§2)."""
    unexpected_fields: Literal["refuse", "ignore", "keep"] = "refuse"
    """How unknown and immutable fields in a body are handled (§2); `keep` stores them, like a later
    version of the API that has more fields.
    """
    immutable_fields: Literal["as_unexpected", "change"] = "as_unexpected"
    """Whether an update may change `ai_provider_id`, or `unexpected_fields` decides (§2)."""
    description_null: Literal["clear", "keep"] = "clear"
    """The effect of `description: null`; `""` always clears (§2)."""
    server_added_fields: bool = False
    """Whether `configurations` is returned with a `provider_auth_type` that was not sent (§1.4)."""
    require_provider_auth_type: bool = False
    """Whether `custom_host` requires `provider_auth_type: apiKey` (§3)."""
    mask_aws_ids: bool = False
    """Whether `aws_access_key_id` and `aws_external_id` are masked (§3)."""
    models_delete: Literal["query", "query_or_body"] = "query"
    """Whether the body of a delete can also list models, as one client sends them (§5.1)."""
    unknown_model_delete: Literal["refuse", "ignore"] = "refuse"
    """The effect of deleting a model that does not exist (§5.1)."""
    empty_usage_limits: Literal["clear", "refuse"] = "clear"
    """Whether `usage_limits: []` removes a budget as null does, or is refused (§5.2)."""
    access_touches_integration: bool = True
    """Whether a write of models or workspaces sets the integration's `last_updated_at` (§6)."""
    base_models: Literal["hidden", "listed"] = "hidden"
    """Whether the models of an integration include those of the provider's catalogue (§5.1)."""
    list_order: Literal["created", "newest"] = "created"
    """The order of the list (§1.2)."""
    detail_404: str = ""
    """Slugs, separated by commas, that the list has and whose detail is a 404 (§6)."""
    page_max: int = 100
    """Maximum rows per page (§1.2)."""
    larger_page: Literal["cut", "refuse"] = "cut"
    """How a `page_size` above `page_max` is handled (§1.2)."""
    stale_read_ms: int = 0
    """Milliseconds after a write during which reads show the state before it (§6)."""
    rate_limit_after: int = 0
    """Requests after which one is refused with 429; 0 for never (§7)."""
    retry_after: str = ""
    """The `Retry-After` header of that response; empty for none (§7)."""
    dead_keys: str = ""
    """Patterns of credentials, separated by commas, that providers refuse; for probes (§10)."""
    denied_scopes: str = ""
    """Scopes, separated by commas, that the key does not have for the lists of §11."""
    providers_workspace: Literal["required", "optional"] = "required"
    """Whether the list of providers requires a `workspace_id` of this key (§11.1)."""
    provider_integration_form: Literal["slug", "uuid"] = "slug"
    """The form in which a provider names its integration (§11.1)."""

    request_ids: bool = False
    """Whether a response carries the request id that the audit log has (§12)."""
    audit_log: Literal["readable", "403_AB03"] = "readable"
    """Whether the key may read the audit log (§12)."""

    @classmethod
    def parse(cls, given: JsonObject) -> "Switches":
        """Build switches by name; raise `InvalidSwitch` for an unknown name or value."""
        hints = get_type_hints(cls)
        for name, value in given.items():
            if name not in hints:
                raise InvalidSwitch(name, value, [field.name for field in fields(cls)])
            allowed = get_args(hints[name])
            # Not `isinstance`, to which `true` is a number.
            is_valid = value in allowed if allowed else type(value) is hints[name]
            if not is_valid:
                raise InvalidSwitch(name, value, list(allowed) or [hints[name].__name__])
        return cls(**given)


class InvalidSwitch(ReconcilerError):
    """Raised for an unknown switch of the simulator, or a value that the switch cannot have."""

    exit_code = 3

    def __init__(self, name: str, value: object, allowed: list[str]) -> None:
        super().__init__(
            f"the simulator has no switch `{name}` with the value {value!r}",
            code="invalid-switch",
            hint=f"use one of: {', '.join(allowed)}",
        )
