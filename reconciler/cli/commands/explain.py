"""`reconcile explain`: describe a field, from the schema of the files, or a diagnostic code."""

import re
from collections.abc import Iterable

import click

from reconciler.cli import completion_values
from reconciler.cli.global_options import Command, Invocation, argument
from reconciler.cli.options import format_option
from reconciler.diagnostics import Diagnostic, error
from reconciler.errors import InvalidInput

_PASTED = re.compile(r"(?:error|warning|notice)?\[([^\]]+)\]:?")
"""A code as a message shows it: `error[unknown-field]:`."""
_LOOKS_LIKE_A_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+|ab\d+")
_OF_THE_API = re.compile(r"AB\d+|http-\d+", re.IGNORECASE)
_ALL = "codes"


@click.command("explain", cls=Command)
@argument(
    "subject",
    metavar="[PATH|CODE]",
    default="",
    description="Path of a field or code of a message  [default: all fields]",
    shell_complete=completion_values.fields_and_codes,
)
@click.option(
    "--provider",
    metavar="ID",
    shell_complete=completion_values.providers,
    help="Show only the configuration fields of this provider",
)
@click.option("--recursive", is_flag=True, help="Also list nested fields")
@format_option("text", "json", "markdown")
@click.pass_obj
def command(
    invocation: Invocation, *, subject: str, provider: str | None, recursive: bool, style: str
) -> int:
    """Explain a field of an integration or a diagnostic code.

    PATH joins field names by dots, such as `models.pricing_config` or
    `configurations.aws_role_arn`. Without PATH, the fields of an integration are listed.

    CODE is the word in brackets of a message, such as `unknown-field`; `codes` lists all of them.
    Codes have hyphens and fields have underscores; a word that is both is treated as a field.
    """
    width = invocation.console.stdout_width
    explanation = _of_code(subject, style, width)
    if explanation is not None:
        if provider is not None or recursive:
            raise click.UsageError(
                "--provider and --recursive can only be used with a field, not with a code."
            )
        invocation.console.data(explanation)
        return 0
    from reconciler.desired.explain import explain
    from reconciler.views import field_reference

    explained = explain(subject, provider=provider, recursive=recursive)
    match style:
        case "json":
            text = field_reference.as_json(explained)
        case "markdown":
            text = field_reference.as_markdown(explained)
        case _:
            text = field_reference.as_text(explained, width=width)
    invocation.console.data(text)
    return 0


def _of_code(subject: str, style: str, width: int | None) -> str | None:
    """Return the text about a code or about all codes, None for a field.

    Raises `InvalidInput` for an unknown code.
    """
    if not subject:
        return None
    from reconciler.domain.schema import any_provider_schema
    from reconciler.views import diagnostic_reference as reference

    pasted = _PASTED.fullmatch(subject)
    if pasted is None and subject in any_provider_schema().fields:
        return None
    if subject == _ALL:
        return reference.list_of_codes(style, width=width)
    code = (pasted[1] if pasted else subject).lower()
    entry = reference.entries().get(code)
    if entry is not None:
        match style:
            case "json":
                return reference.as_json(entry)
            case "markdown":
                return reference.as_markdown(entry)
            case _:
                return reference.as_text(entry, width=width)
    if pasted is not None or _LOOKS_LIKE_A_CODE.fullmatch(code):
        raise InvalidInput([_unknown(pasted[1] if pasted else subject, reference.entries())])
    return None


def _unknown(code: str, known: Iterable[str]) -> Diagnostic:
    """Build the error for a code that does not exist."""
    from reconciler.desired.suggestions import nearest

    near = nearest(code, known)
    hint = f"did you mean `{near}`?" if near else f"run `reconcile explain {_ALL}` to list them"
    if _OF_THE_API.fullmatch(code):
        hint = "it is a code of the API; the message next to the code explains it"
    return error("unknown-code", f"`{code[:60]}` is not a diagnostic code", hint=hint)
