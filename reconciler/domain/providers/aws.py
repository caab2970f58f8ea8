"""Amazon Bedrock and its relatives, SageMaker."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from reconciler.domain.facts import Facts, RiskRule
from reconciler.domain.leaves import Reference, SensitiveText, Text
from reconciler.domain.providers.configuration import Configuration


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

    aws_auth_type: Annotated[
        Literal["accessKey", "assumedRole", "serviceRole", "apiKey"] | None,
        Facts(risk=RiskRule.CREDENTIAL),
    ] = Field(None, description="How the gateway proves to AWS who it is.")
    aws_region: Annotated[Text | None, Facts(endpoint=True)] = Field(
        None, description="AWS region, for example `eu-central-1`."
    )
    aws_access_key_id: Annotated[SensitiveText | None, Facts(redacted=True)] = Field(
        None, description="Access key id; never shown."
    )
    aws_secret_access_key: Annotated[Reference, Facts(secret=True)] = Field(
        None, description="Secret access key."
    )
    aws_role_arn: Text | None = Field(None, description="Role that the gateway assumes.")
    aws_external_id: Annotated[SensitiveText | None, Facts(redacted=True)] = Field(
        None, description="External id agreed for the role; never shown."
    )


class AnthropicOnAws(Bedrock):
    """Claude on AWS, outside Bedrock's own API."""

    anthropic_aws_workspace_id: Text | None = Field(None, description="Workspace at Anthropic.")


class SageMaker(Bedrock):
    """Endpoints of Amazon SageMaker."""

    amzn_sagemaker_custom_attributes: Text | None = Field(None, description="Custom attributes.")
    amzn_sagemaker_target_model: Text | None = Field(None, description="Target model.")
    amzn_sagemaker_target_variant: Text | None = Field(None, description="Target variant.")
    amzn_sagemaker_target_container_hostname: Text | None = Field(
        None, description="Container of the endpoint that answers."
    )
    amzn_sagemaker_inference_id: Text | None = Field(None, description="Inference id.")
    amzn_sagemaker_enable_explanations: Text | None = Field(None, description="Explanations.")
    amzn_sagemaker_inference_component: Text | None = Field(None, description="Component.")
    amzn_sagemaker_session_id: Text | None = Field(None, description="Session id.")
    amzn_sagemaker_model_name: Text | None = Field(None, description="Model name.")


FAMILY: Mapping[str, type[Configuration]] = MappingProxyType(
    {
        "bedrock": Bedrock,
        "bedrock-mantle": AnthropicOnAws,
        "claude-platform-aws": AnthropicOnAws,
        "sagemaker": SageMaker,
    }
)
