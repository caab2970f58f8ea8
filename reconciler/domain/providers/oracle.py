"""Oracle Cloud Infrastructure, Generative AI: requests are signed, and there is no `key`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from reconciler.domain.facts import Configuration, Facts, Reference, RegionName, SensitiveText, Text
from reconciler.domain.model import Field

_DOC = "Portkey-AI/docs-core: integrations/llms/oracle.mdx"
_GATEWAY = "Portkey-AI/gateway: src/providers/oracle/api.ts"


class Oracle(Configuration):
    """Generative AI of Oracle Cloud Infrastructure, with an API signing key."""

    required = (
        "oracle_region",
        "oracle_tenancy",
        "oracle_user",
        "oracle_fingerprint",
        "oracle_private_key",
    )
    # The documentation lists it as required, but the gateway sends it empty.
    expected = ("oracle_compartment_id",)
    takes_key = False

    oracle_region: Annotated[
        RegionName | None,
        Facts(
            endpoint=True,
            form=r"[a-z]{2,3}(-[a-z]+)+-[0-9]+",
            example="eu-frankfurt-1",
            source=_DOC,
        ),
    ] = Field(None, description="Region, for example `eu-frankfurt-1`.")
    oracle_tenancy: Annotated[
        Text | None,
        Facts(form=r"ocid1\.tenancy\..+", example="ocid1.tenancy.oc1..example", source=_DOC),
    ] = Field(None, description="OCID of the tenancy.")
    oracle_user: Annotated[
        Text | None,
        Facts(form=r"ocid1\.user\..+", example="ocid1.user.oc1..example", source=_DOC),
    ] = Field(None, description="OCID of the user whose key signs.")
    oracle_fingerprint: Annotated[
        SensitiveText | None,
        Facts(
            redacted=True,
            example="00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
            source=_DOC,
        ),
    ] = Field(None, description="Fingerprint of the signing key; never shown.")
    oracle_private_key: Annotated[Reference, Facts(secret=True, source=_DOC)] = Field(
        None, description="Signing key in PEM form."
    )
    oracle_key_passphrase: Annotated[Reference, Facts(secret=True, source=_DOC)] = Field(
        None, description="Passphrase of an encrypted signing key."
    )
    oracle_compartment_id: Annotated[
        Text | None,
        Facts(
            form=r"ocid1\.(compartment|tenancy)\..+",
            example="ocid1.compartment.oc1..example",
            source=_DOC,
        ),
    ] = Field(None, description="OCID of the compartment.")
    oracle_serving_mode: Annotated[
        Literal["ON_DEMAND", "DEDICATED"] | None, Facts(example="ON_DEMAND", source=_GATEWAY)
    ] = Field(None, description="On demand, or a dedicated endpoint.")
    oracle_endpoint_id: Annotated[
        Text | None,
        Facts(
            form=r"ocid1\..+", example="ocid1.generativeaiendpoint.oc1..example", source=_GATEWAY
        ),
    ] = Field(None, description="OCID of the endpoint for `DEDICATED`.")
    oracle_api_version: Annotated[
        Text | None, Facts(form=r"[0-9]{8}", example="20231130", source=_GATEWAY)
    ] = Field(None, description="Version of Oracle's API, as a date without separators.")


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType({"oracle": Oracle})
