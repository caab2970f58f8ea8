"""Facts about a field beyond its type.

A model of `reconciler.domain` states the facts of each of its fields once, as metadata beside the
type: `Annotated[Text, Facts(immutable=True)]`. `reconciler.domain.schema` compiles them into what
validation, planning, requests, decoding and documentation walk.
"""

import re
from dataclasses import dataclass
from enum import Enum, StrEnum


class SubResource(StrEnum):
    """A part of an integration that the API reads and writes by calls of its own."""

    MODELS = "models"
    WORKSPACES = "workspaces"


class Clearing(Enum):
    """Way in which a write empties a field that the files declare empty."""

    EMPTY = "the empty value of its type"
    NULL = "null"
    NEVER = "no call empties it"


class RiskRule(Enum):
    """Rule by which the risk of a change follows from its two values."""

    RESTRICTIVE = "restrictive"
    COSMETIC = "cosmetic"
    CREDENTIAL = "credential"
    ACCESS = "access is granted (additive) or taken away (access-removal)"
    SWITCH = "switched on (additive) or off (restrictive)"
    LIMIT = "raised or lifted (additive) or lowered (restrictive)"
    SETTING = "set for the first time (additive) or changed (restrictive)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Properties of a field that its type does not express.

    `identity` distinguishes the entries of a keyed list, and integrations themselves. `two_forms`
    marks an id that the API may report as a UUID where a slug was written. Files may hold only a
    reference to a `secret`; of a `redacted` field they may hold a literal, and it is shown nowhere.
    The value of a `secret_object` is a JSON object. A `host` decides where a stored credential is
    sent, an `endpoint` chooses between hosts of one vendor, such as a region; `headers` is a map of
    HTTP headers. A `local` field is in files only and is never sent. A `write_only` field is
    accepted and never returned; a `server_added` one appears without being sent, and no write
    removes it. A field is `sent_whole` where the API may replace instead of merge. `default` is
    what an absent field stands for. `required_by` names the field beside it that does not work
    without it. `example` and `source` (where a fact is documented) are for people.

    A `url` is absolute. `form` is a regular expression that documented values match: another value
    is worth a warning. `other_words` are pairs of a word that the vendor uses elsewhere and the
    choice it stands for here. `replaced_by` names the field that the API wants instead of this one.
    """

    identity: bool = False
    two_forms: bool = False
    secret: bool = False
    secret_object: bool = False
    redacted: bool = False
    host: bool = False
    endpoint: bool = False
    immutable: bool = False
    headers: bool = False
    local: bool = False
    write_only: bool = False
    server_added: bool = False
    sent_whole: bool = False
    instant: bool = False
    clearing: Clearing = Clearing.EMPTY
    default: object = None
    required_by: str | None = None
    risk: RiskRule | None = None
    sub_resource: SubResource | None = None
    url: bool = False
    form: str | None = None
    other_words: tuple[tuple[str, str], ...] = ()
    replaced_by: str | None = None
    example: str | None = None
    source: str | None = None

    @property
    def sensitive(self) -> bool:
        """Return whether the value is shown nowhere."""
        return self.secret or self.redacted


NO_FACTS = Facts()

SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
"""Header names whose value must be a reference."""

SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|passcode|credential|key|private|signing|signature|bearer|auth"
    r"|cookie|cert|jwt|pem|pwd|connection_?string|service_?account"
    r"|(?:^|[_.-])(?:pass|sas|pat)(?:[_.-]|\d*$)",
    re.IGNORECASE,
)
"""Field names of secrets; a target cannot vouch for a field with such a name."""

MASK_PREFIX = "masked_"
"""Prefix of the name of a field whose value the API masks (remote/API.md §1.4)."""
