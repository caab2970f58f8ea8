"""`aws:name#field`: AWS Secrets Manager; without `#field`, the whole text of the secret.

Credentials and region come from the given environment; without them, the AWS library uses a
profile, a web identity or an instance role. The endpoint is that of AWS or of the environment,
never that of a configuration file.
"""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import boto3
import botocore.exceptions as aws
from botocore.config import Config

from reconciler.domain.secrets import Redacted, SecretError, SecretRef
from reconciler.secrets.resolver import Answers, ResolverContext, pick_fields, source_name

_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)
# AWS answers InvalidRequestException for a secret that is scheduled for deletion.
_ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})


class AwsResolver:
    """Reader of secrets by name or ARN; a secret is a source."""

    def __init__(self, context: ResolverContext) -> None:
        self._environ = context.environ
        self._timeout = context.timeout
        self._lock = threading.Lock()
        self._client: Any = None
        _silence_logging()

    def source_of(self, locator: str) -> str:
        """Return the name of the secret."""
        return source_name(locator)

    def read(self, refs: Sequence[SecretRef]) -> Answers:
        """Read one secret and pick the fields."""
        name = source_name(refs[0].locator)
        try:
            reply = self._connected().get_secret_value(SecretId=name)
        except (aws.ClientError, aws.BotoCoreError) as problem:
            failure = explain(refs[0], problem)
            return {ref: failure.about(ref) for ref in refs}
        text = reply.get("SecretString")
        # AWS stores a secret either as a string or as bytes.
        if text is None:
            return {ref: _not_text(ref) for ref in refs}
        whole = {ref: Redacted(text) for ref in refs if "#" not in ref.locator}
        fields = pick_fields([ref for ref in refs if ref not in whole], _object(text))
        return {**whole, **fields}

    def _connected(self) -> Any:
        with self._lock:  # creating a client is not thread-safe, but using one is
            if self._client is None:
                self._client = self._make_client()
            return self._client

    def _make_client(self) -> Any:
        get = self._environ.get
        # An endpoint in a configuration file is ignored; the type stubs do not have the option.
        environment_only: Any = {"ignore_configured_endpoint_urls": True}
        return boto3.session.Session().client(
            "secretsmanager",
            region_name=get("AWS_REGION") or get("AWS_DEFAULT_REGION"),
            endpoint_url=get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or get("AWS_ENDPOINT_URL"),
            aws_access_key_id=get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=get("AWS_SESSION_TOKEN"),
            config=Config(
                connect_timeout=self._timeout / 3,
                read_timeout=self._timeout / 3,
                retries={"mode": "standard", "total_max_attempts": 2},
                **environment_only,
            ),
        )


def explain(ref: SecretRef, problem: Exception) -> SecretError:
    """Map a failure of AWS or the connection; its text is dropped: it may contain a value."""
    if isinstance(problem, aws.ClientError):
        return _explain_answer(ref, str(problem.response.get("Error", {}).get("Code", "")))
    match problem:
        case aws.NoRegionError() | aws.NoCredentialsError() | aws.PartialCredentialsError():
            return SecretError(
                ref,
                "no AWS region or credentials are configured",
                code="secret-source-not-configured",
                hint="set AWS_REGION and credentials, or use aws-actions/configure-aws-credentials",
            )
        case aws.ConnectTimeoutError() | aws.ReadTimeoutError():
            code, reason = "secret-timeout", "AWS Secrets Manager did not respond in time"
        case _:
            code, reason = "secret-unreachable", "AWS Secrets Manager cannot be reached"
    return SecretError(ref, reason, code=code)


def _explain_answer(ref: SecretRef, answer: str) -> SecretError:
    if answer in _ABSENT:
        return SecretError(ref, "there is no such secret in AWS", code="secret-not-found")
    if answer in _DENIED:
        return SecretError(
            ref,
            "AWS denies reading this secret",
            code="secret-denied",
            hint="allow secretsmanager:GetSecretValue, and kms:Decrypt for a customer key",
        )
    return SecretError(ref, f"AWS returned {answer or 'an error'}", code="secret-failed")


def _object(text: str) -> Mapping[str, object]:
    try:
        # A text other than an object has no fields, so each reference to a field is an error.
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _not_text(ref: SecretRef) -> SecretError:
    return SecretError(ref, "the secret is binary", code="secret-not-text")


def _silence_logging() -> None:
    """Prevent the library from logging whole responses, which it does at level DEBUG."""
    for name in ("botocore", "botocore.parsers", "botocore.endpoint", "boto3"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.WARNING, logger.level))
