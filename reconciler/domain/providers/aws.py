"""Amazon Bedrock and its relatives, Claude Platform on AWS, SageMaker."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, TypeAlias

from reconciler.domain.facts import (
    Configuration,
    Facts,
    Reference,
    RegionName,
    RiskRule,
    SensitiveText,
    Text,
)
from reconciler.domain.model import Field
from reconciler.domain.providers.regions import AWS_FORM, AWS_REGIONS

_API = "Portkey-AI/openapi: openapi.yaml, BedrockConfiguration"
_SAGEMAKER_API = "Portkey-AI/openapi: openapi.yaml, SageMakerConfiguration"
_BEDROCK = "Portkey-AI/docs-core: integrations/llms/bedrock/aws-bedrock.mdx"
_MANTLE = "Portkey-AI/docs-core: integrations/llms/bedrock-mantle.mdx"
_CLAUDE = "Portkey-AI/docs-core: integrations/llms/claude-platform-aws/claude-platform-aws.mdx"

Region: TypeAlias = Annotated[
    RegionName | None,
    Facts(
        endpoint=True,
        form=AWS_FORM,
        known=AWS_REGIONS,
        example="eu-central-1",
        source=_API,
    ),
]
AccessKeyId: TypeAlias = Annotated[
    SensitiveText | None, Facts(redacted=True, example="AKIAEXAMPLE", source=_API)
]
SecretAccessKey: TypeAlias = Annotated[Reference, Facts(secret=True, source=_API)]
RoleArn: TypeAlias = Annotated[
    Text | None,
    Facts(
        form=r"arn:aws(-us-gov|-cn)?:iam::[0-9]{12}:role/.+",
        example="arn:aws:iam::123456789012:role/gateway",
        source=_BEDROCK,
    ),
]
ExternalId: TypeAlias = Annotated[
    SensitiveText | None, Facts(redacted=True, example="external-id", source=_BEDROCK)
]

_WHO = "Authentication of the gateway at AWS."
_REGION = "AWS region, for example `eu-central-1`."
_ROLE = "Role that the gateway assumes."
_EXTERNAL_ID = "External id agreed for the role; never shown."
_KEY_ID = "Access key id; never shown."
_ACCESS_KEY = "Secret access key."


class Bedrock(Configuration):
    """Amazon Bedrock, by access key, role or Bedrock API key."""

    required = ("aws_auth_type", "aws_region")
    mode_field = "aws_auth_type"
    required_by_mode = MappingProxyType(
        {
            "accessKey": ("aws_access_key_id", "aws_secret_access_key"),
            "assumedRole": ("aws_role_arn",),
        }
    )
    key_modes = frozenset({"apiKey"})

    aws_auth_type: Annotated[
        Literal["accessKey", "assumedRole", "serviceRole", "apiKey"] | None,
        Facts(risk=RiskRule.CREDENTIAL, example="assumedRole", source=_BEDROCK),
    ] = Field(None, description=_WHO)
    aws_region: Region = Field(None, description=_REGION)
    aws_access_key_id: AccessKeyId = Field(None, description=_KEY_ID)
    aws_secret_access_key: SecretAccessKey = Field(None, description=_ACCESS_KEY)
    aws_role_arn: RoleArn = Field(None, description=_ROLE)
    aws_external_id: ExternalId = Field(None, description=_EXTERNAL_ID)


class BedrockMantle(Configuration):
    """Amazon Bedrock's OpenAI-compatible service, by role or Bedrock API key."""

    required = ("aws_auth_type",)
    mode_field = "aws_auth_type"
    required_by_mode = MappingProxyType(
        {"assumedRole": ("aws_role_arn", "aws_region"), "serviceRole": ("aws_region",)}
    )
    # The documentation requires an external id, which Bedrock itself does not.
    expected_by_mode = MappingProxyType(
        {"apiKey": ("aws_region",), "assumedRole": ("aws_external_id",)}
    )
    key_modes = frozenset({"apiKey"})

    aws_auth_type: Annotated[
        Literal["apiKey", "assumedRole", "serviceRole"] | None,
        Facts(risk=RiskRule.CREDENTIAL, example="assumedRole", source=_MANTLE),
    ] = Field(None, description=_WHO)
    aws_region: Region = Field(None, description=_REGION)
    aws_role_arn: RoleArn = Field(None, description=_ROLE)
    aws_external_id: ExternalId = Field(None, description=_EXTERNAL_ID)


class ClaudePlatformAWS(Configuration):
    """Claude Platform on AWS, by access key or role."""

    required = ("aws_auth_type", "aws_region")
    mode_field = "aws_auth_type"
    required_by_mode = MappingProxyType(
        {
            "accessKey": ("aws_access_key_id", "aws_secret_access_key"),
            "assumedRole": ("aws_role_arn",),
        }
    )

    aws_auth_type: Annotated[
        Literal["accessKey", "assumedRole", "serviceRole"] | None,
        Facts(risk=RiskRule.CREDENTIAL, example="assumedRole", source=_CLAUDE),
    ] = Field(None, description=_WHO)
    aws_region: Region = Field(None, description=_REGION)
    aws_access_key_id: AccessKeyId = Field(None, description=_KEY_ID)
    aws_secret_access_key: SecretAccessKey = Field(None, description=_ACCESS_KEY)
    aws_session_token: Annotated[Reference, Facts(secret=True, source=_CLAUDE)] = Field(
        None, description="Session token of temporary credentials."
    )
    aws_role_arn: RoleArn = Field(None, description=_ROLE)
    aws_external_id: ExternalId = Field(None, description=_EXTERNAL_ID)
    anthropic_aws_workspace_id: Annotated[
        Text | None, Facts(form=r"wrkspc_.+", example="wrkspc_example", source=_CLAUDE)
    ] = Field(None, description="Workspace at Anthropic, `wrkspc_…`.")


class SageMaker(Bedrock):
    """Endpoints of Amazon SageMaker."""

    amzn_sagemaker_custom_attributes: Annotated[
        Text | None, Facts(example="trace-1", source=_SAGEMAKER_API)
    ] = Field(None, description="Custom attributes.")
    amzn_sagemaker_target_model: Annotated[
        Text | None, Facts(example="model.tar.gz", source=_SAGEMAKER_API)
    ] = Field(None, description="Target model.")
    amzn_sagemaker_target_variant: Annotated[
        Text | None, Facts(example="variant-1", source=_SAGEMAKER_API)
    ] = Field(None, description="Target variant.")
    amzn_sagemaker_target_container_hostname: Annotated[
        Text | None, Facts(example="container-1", source=_SAGEMAKER_API)
    ] = Field(None, description="Container of the endpoint that answers.")
    amzn_sagemaker_inference_id: Annotated[
        Text | None, Facts(example="inference-1", source=_SAGEMAKER_API)
    ] = Field(None, description="Inference id.")
    amzn_sagemaker_enable_explanations: Annotated[
        Text | None, Facts(example="`true`", source=_SAGEMAKER_API)
    ] = Field(None, description="Expression that decides whether to explain an inference.")
    amzn_sagemaker_inference_component: Annotated[
        Text | None, Facts(example="component-1", source=_SAGEMAKER_API)
    ] = Field(None, description="Inference component.")
    amzn_sagemaker_session_id: Annotated[
        Text | None, Facts(example="session-1", source=_SAGEMAKER_API)
    ] = Field(None, description="Session id.")
    amzn_sagemaker_model_name: Annotated[
        Text | None, Facts(example="my-model", source=_SAGEMAKER_API)
    ] = Field(None, description="Model name.")


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType(
    {
        "bedrock": Bedrock,
        "bedrock-mantle": BedrockMantle,
        "claude-platform-aws": ClaudePlatformAWS,
        "sagemaker": SageMaker,
    }
)
