"""The code of each failure of AWS; moto denies nothing, so the tests build the errors."""

import botocore.exceptions as aws
import pytest

from reconciler.domain.secrets import SecretRef
from reconciler.secrets.aws import explain

CANARY = "canary-99"


def answered(code: str) -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": CANARY}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (answered("AccessDeniedException"), "secret-denied"),
        (answered("ExpiredTokenException"), "secret-denied"),
        (answered("ResourceNotFoundException"), "secret-not-found"),
        (answered("InternalServiceError"), "secret-failed"),
        (aws.NoCredentialsError(), "secret-source-not-configured"),
        (aws.NoRegionError(), "secret-source-not-configured"),
        (aws.ReadTimeoutError(endpoint_url=CANARY), "secret-timeout"),
        (aws.EndpointConnectionError(endpoint_url=CANARY), "secret-unreachable"),
    ],
)
def test_each_failure_has_its_code_and_none_repeats_the_message_of_the_library(
    problem: Exception, code: str
) -> None:
    found = explain(SecretRef.parse("aws:prod/openai#key"), problem)
    assert found.code == code
    assert CANARY not in str(found) + found.hint
