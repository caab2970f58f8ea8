"""Report the errors of a tree, as its model finds them, in the terms of the files.

The locations of pydantic become locations in the files, its error types stable codes. Nothing here
is called for a valid tree, which `reconciler.domain.valid_values` recognizes. All other rules of an
integration: `desired.integration_rules`.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.desired.problem_collector import ProblemCollector, Sourced, Steps
from reconciler.desired.shape_hints import (
    entry_hint,
    field_elsewhere,
    list_hint,
    map_hint,
    meant_identity,
    named_entry,
    near_field_elsewhere,
)
from reconciler.desired.suggestions import nearest, one_of, quoted, unusual_space, valid_slug
from reconciler.desired.yaml_values import infer_scalar, is_too_precise, nearest_float
from reconciler.domain.policy import DIGEST_PATTERN
from reconciler.domain.schema import UNKNOWN, FieldSchema
from reconciler.domain.secrets import LOOKS_SECRET

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_QUOTED = re.compile(r"'([^']*)'")
_LONGEST_ECHO = 60

_EXPECTED = {
    "string": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "mapping": "a mapping",
}
_TYPE_HINTS = {
    "string": "write a string, in quotes if YAML could read it as another type",
    "int": "write it in decimal digits, such as 500",
    "float": "write it in decimal digits, such as 0.8",
    "bool": "write `true` or `false`",
    "list": "write each entry on a line of its own that begins with `- `",
    "tuple": "write each entry on a line of its own that begins with `- `",
    "dict": "write each `name: value` on a line of its own below it",
    "model": "write each `name: value` on a line of its own below it",
    "mapping": "write each `name: value` on a line of its own below it",
}
_LISTS = frozenset({"list", "tuple"})
_MAPPINGS = frozenset({"dict", "model", "mapping"})
_TYPE_ERROR = re.compile(
    r"(string|int|float|bool|list|tuple|dict|model|mapping)(_attributes)?_type"
)


def report_errors(
    errors: "Sequence[ErrorDetails]",
    tree: object,
    *,
    schema: FieldSchema,
    document: Sourced,
    problems: ProblemCollector,
    prefix: Steps = (),
    known_bad: Collection[Steps] = (),
    what: str = "an integration",
) -> None:
    """Report the errors that `errors_in` has found in a tree.

    `prefix` is the path of the tree in the document, `known_bad` are paths that have been reported,
    `what` names the whole tree in messages.
    """
    explainer = _Explainer(schema, document, problems, prefix, what, tree=tree)
    found = [(problem, _steps(problem["loc"], tree)) for problem in errors]
    misspelt = _misspelt(found, schema, tree)
    for problem, steps in found:
        is_misspelt = problem["type"] == "missing" and steps in misspelt
        # Already reported, with a reason that pydantic cannot know.
        if not is_misspelt and (*prefix, *steps) not in known_bad:
            explainer.explain(problem, steps)


def _misspelt(
    found: "Iterable[tuple[ErrorDetails, Steps]]", schema: FieldSchema, tree: object
) -> set[Steps]:
    """Return the paths of missing fields that an unknown name next to them most likely means."""
    meant = set()
    for problem, steps in found:
        if problem["type"] != "extra_forbidden":
            continue
        name, around = str(steps[-1]), steps[:-1]
        identity = _identity(around, name, schema, tree)
        if identity is not None:
            meant.add((*around, identity))
            continue
        near = nearest(name, names_at(schema, around))
        # A name that is valid in another place is not misspelt.
        if near is not None and not field_elsewhere(name, around, schema):
            meant.add((*around, near))
    return meant


def _identity(around: Steps, name: str, schema: FieldSchema, tree: object) -> str | None:
    """Return the identity for which another name is used in the list entry at `around`."""
    if not around or not isinstance(around[-1], int):
        return None
    return meant_identity(schema_at(schema, around[:-1]), _value_at(tree, around), name)


def _value_at(tree: Any, steps: Steps) -> Any:
    for step in steps:
        tree = tree[step]
    return tree


def _steps(loc: tuple[int | str, ...], tree: object) -> Steps:
    """Return the path for a location of pydantic, which also holds names of union members."""
    steps: list[int | str] = []
    node = tree
    for position, part in enumerate(loc):
        is_last = position == len(loc) - 1
        # A part that is not in the data names a member of a union; only the last part can be a
        # missing field.
        if isinstance(node, dict) and (part in node or (is_last and not str(part).startswith("("))):
            steps.append(part)
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            steps.append(part)
            node = node[part]
    return tuple(steps)


def name_of(steps: Steps, what: str) -> str:
    """Return how messages name a path: by the innermost field that has a name."""
    names = [s for s in steps if isinstance(s, str)]
    if not names:
        return what
    inside = isinstance(steps[-1], int)
    return f"an entry of {quoted(names[-1])}" if inside else quoted(names[-1])


class _Explainer:
    def __init__(
        self,
        schema: FieldSchema,
        document: Sourced,
        problems: ProblemCollector,
        prefix: Steps,
        what: str,
        *,
        tree: object,
    ) -> None:
        self.tree = tree
        self.schema = schema
        self.document = document
        self.problems = problems
        self.prefix = prefix
        self.what = what

    def explain(self, problem: "ErrorDetails", steps: Steps) -> None:
        kind = problem["type"]
        if kind == "extra_forbidden":
            self._unknown_field(steps)
        elif kind == "missing":
            # A field that is missing in `- ws-a: {…}` is reported at the name.
            if self._name_of_entry(steps[:-1]) is None:
                self._missing_field(steps)
        elif match := _TYPE_ERROR.fullmatch(kind):
            self._wrong_type(match[1], problem["input"], steps)
        elif kind in {"literal_error", "enum"}:
            self._not_a_choice(problem, steps)
        elif kind == "is_instance_of":
            summary = f"{name_of(steps, self.what)} must be a reference"
            self._report("wrong-type", f"{summary}, not {describe(problem['input'])}", steps)
        # A code of this program, raised by a validator: the types of pydantic have underscores.
        elif "-" in kind:
            summary = problem["msg"]
            if summary.startswith("must"):
                summary = f"{name_of(steps, self.what)} {summary}"
            self._report(kind, summary, steps, hint=self._example_hint(kind, steps))
        else:
            summary, given = f"{name_of(steps, self.what)} {_limit(problem)}", problem["input"]
            is_slug = problem.get("ctx", {}).get("pattern") == _SLUG and isinstance(given, str)
            hint = valid_slug(given) if is_slug else self._digest_hint(problem)
            self._report("invalid-value", summary, steps, hint=hint)

    def _report(
        self, code: str, summary: str, steps: Steps, *, hint: str = "", key: bool = False
    ) -> None:
        origin = self.document.origin_of((*self.prefix, *steps))
        hide = not key and is_hidden(self.schema, steps)
        hint = hint or self._field_hint(code, steps)
        self.problems.error(code, summary, origin, hint=hint, key=key, hide=hide)

    def _field_hint(self, code: str, steps: Steps) -> str:
        """Return the command that describes the field of a value; "" if there is none."""
        names = tuple(step for step in steps if isinstance(step, str))
        is_described = self.what == "an integration" or self.prefix == ("configurations",)
        if code not in {"invalid-value", "wrong-type"} or not is_described:
            return ""
        is_known = bool(names) and self.schema.at(names) is not UNKNOWN
        path = ".".join([*map(str, self.prefix), *names])
        return f"run `reconcile explain {path}` for its values" if is_known else ""

    def _digest_hint(self, problem: "ErrorDetails") -> str:
        is_digest = problem.get("ctx", {}).get("pattern") == DIGEST_PATTERN
        # Users do not write a digest: the command that pins a catalogue writes it.
        return "run `reconcile catalogue update URL|FILE`, which writes it" if is_digest else ""

    def _example_hint(self, kind: str, steps: Steps) -> str:
        """Return a hint with an example of the right form, if the schema has one."""
        names = tuple(step for step in steps if isinstance(step, str))
        example = self.schema.at(names).facts.example if kind == "unexpected-form" else None
        return f"write it like `{example}`" if example else ""

    def _unknown_field(self, steps: Steps) -> None:
        around = name_of(steps[:-1], self.what)
        known = names_at(self.schema, steps[:-1])
        name = str(steps[-1])
        identity = _identity(steps[:-1], name, self.schema, self.tree)
        hint = (
            unusual_space(name)
            or (f"did you mean `{identity}`?" if identity else "")
            or self._named_entry_hint(steps)
            or field_elsewhere(name, steps[:-1], self.schema)
            or self.problems.did_you_mean(name, known)
            or near_field_elsewhere(name, self.schema)
            or (one_of(known) if len(known) <= 8 else "")
        )
        self._report(
            "unknown-field",
            f"{quoted(name)} is not a field of {around}",
            steps,
            hint=hint,
            key=True,
        )

    def _named_entry_hint(self, steps: Steps) -> str:
        """Return a hint for `- ws-a: {…}`, where a name is in place of a field."""
        if steps[-1] != self._name_of_entry(steps[:-1]):
            return ""
        return entry_hint(schema_at(self.schema, steps[:-2]), steps[-1])

    def _name_of_entry(self, steps: Steps) -> str | None:
        """Return the name that is in place of a field in the list entry at `steps`."""
        if not steps or not isinstance(steps[-1], int):
            return None
        return named_entry(schema_at(self.schema, steps[:-1]), _value_at(self.tree, steps))

    def _missing_field(self, steps: Steps) -> None:
        around, name = name_of(steps[:-1], self.what), steps[-1]
        self._report(
            "missing-field", f"{around} needs `{name}`", steps[:-1], hint=f"add `{name}: …`"
        )

    def _wrong_type(self, expected: str, given: object, steps: Steps) -> None:
        name = name_of(steps, self.what)
        summary = f"{name} {_mismatch(expected, given)}"
        hint = _TYPE_HINTS[expected]
        if given is None:
            hint = "set a value, or remove the field"
        else:
            hint = self._shape_hint(expected, given, steps) or hint
        self._report("wrong-type", summary, steps, hint=hint)

    def _shape_hint(self, expected: str, given: object, steps: Steps) -> str:
        """Return how to write a value in the shape that is expected; "" if nothing better is known.

        A name in place of an entry or of a list is most often the identity of an entry.
        """
        hidden = is_hidden(self.schema, steps)
        if expected in _LISTS and steps:
            field = schema_at(self.schema, steps)
            return list_hint(field, str(steps[-1]), given, hidden=hidden)
        if expected in _MAPPINGS and len(steps) > 1 and isinstance(steps[-1], int):
            return entry_hint(schema_at(self.schema, steps[:-1]), given, hidden=hidden)
        if expected in _MAPPINGS and steps:
            if isinstance(given, list) and given and all(isinstance(i, Mapping) for i in given):
                return "remove the `- ` before each field"
            return map_hint(schema_at(self.schema, steps))
        return _type_hint(expected, given) if isinstance(given, str) else ""

    def _not_a_choice(self, problem: "ErrorDetails", steps: Steps) -> None:
        expected = str(problem.get("ctx", {}).get("expected", ""))
        given, name = problem["input"], name_of(steps, self.what)
        choices = [c for c in _QUOTED.findall(expected) if c]
        if not choices:
            hint = f"write {expected}"
            self._report("invalid-value", f"{name} must be {expected}", steps, hint=hint)
        elif isinstance(given, str):
            near = self._other_word(given, steps) or self.problems.did_you_mean(given, choices)
            hint = (near + " " if near else "") + one_of(choices)
            self._report("invalid-value", f"{name} cannot be `{_echo(given)}`", steps, hint=hint)
        else:
            summary = f"{name} must be a string, not {describe(given)}"
            self._report("wrong-type", summary, steps, hint=one_of(choices))

    def _other_word(self, given: str, steps: Steps) -> str:
        """Return a hint with the choice for which the vendor uses this word elsewhere."""
        choice = dict(schema_at(self.schema, steps).facts.other_words).get(given)
        return f"did you mean `{choice}`?" if choice else ""


def schema_at(schema: FieldSchema, steps: Steps) -> FieldSchema:
    """Return the schema at a path of a document."""
    for step in steps:
        schema = (schema.entries or UNKNOWN) if isinstance(step, int) else schema.child(step)
    return schema


def is_hidden(schema: FieldSchema, steps: Steps) -> bool:
    """Return whether the value at a path must not be shown in an excerpt."""
    for step in steps:
        schema = (schema.entries or UNKNOWN) if isinstance(step, int) else schema.child(step)
        if schema.facts.sensitive or schema.facts.headers:
            return True
    return False


def names_at(schema: FieldSchema, steps: Steps) -> Collection[str]:
    """Return the field names that are known at a path."""
    here = schema_at(schema, steps)
    return tuple(here.fields or (here.entries.fields if here.entries else ()))


def describe(value: object) -> str:
    """Return a description of the type of a value, without showing the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case Mapping():
            return "a mapping"
        case _:
            return "a reference"


def _mismatch(expected: str, given: object) -> str:
    """Return what is wrong with a value of another type, worded to follow its name."""
    is_long = isinstance(given, str) and expected in {"int", "float"} and is_too_precise(given)
    if expected == "int" and (type(given) is float or (is_long and "." in str(given))):
        return f"must be {_EXPECTED[expected]}, not a fraction"
    if is_long:
        return "has more digits than can be stored"
    return f"must be {_EXPECTED[expected]}, not {describe(given)}"


def _type_hint(expected: str, given: str) -> str:
    if expected == "bool":
        if given.lower() in _OLD_BOOLEANS:
            case = "" if given.islower() else " in lower case"
            return f"write `{_OLD_BOOLEANS[given.lower()]}`{case}, without quotes"
        return ""
    if expected not in {"int", "float"}:
        return ""
    if re.fullmatch(r"-?0[0-9]{1,18}", given):
        return "remove the leading zero"
    if is_too_precise(given):
        nearest = nearest_float(given)
        return f"write `{nearest!r}`" if nearest and expected == "float" else ""
    accepted = {int} if expected == "int" else {int, float}
    return "write it without quotes" if type(infer_scalar(given)) in accepted else ""


# Booleans in YAML 1.1, strings in YAML 1.2.
_OLD_BOOLEANS = {"true": "true", "yes": "true", "on": "true", "y": "true"} | {
    "false": "false",
    "no": "false",
    "off": "false",
    "n": "false",
}


def _echo(text: str) -> str:
    text = LOOKS_SECRET.sub("[redacted]", text)
    return text if len(text) <= _LONGEST_ECHO else text[:_LONGEST_ECHO] + "…"


_LIMITS = {
    "string_too_long": "must not be longer than {max_length} characters",
    "too_long": "must not have more than {max_length} entry",
    "greater_than_equal": "must be at least {ge:.15g}",
    "greater_than": "must be greater than {gt:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "finite_number": "must be a finite number",
}


def _limit(problem: "ErrorDetails") -> str:
    kind, facts = problem["type"], problem.get("ctx", {})
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(facts["pattern"], "does not have the required form")
    if kind in _LIMITS:
        return _LIMITS[kind].format(**facts)
    return "is not valid"


# Keyed by the pattern that pydantic passes on, so each must be spelled as in its model.
_SLUG = r"^[A-Za-z0-9_-]{1,255}$"
_PATTERNS = {
    _SLUG: "must be 1 to 255 letters, digits, `_` or `-`",
    DIGEST_PATTERN: "must be `sha256:` and 64 hexadecimal digits in lower case",
    r"^[^\s/:?#@.]*$": "must be a name, not a URL or a host name",
    r"^[^\s/:?#@]*$": "must be a name, not a URL",
    r"^(key|configurations\.[A-Za-z0-9_]+)$": "must be `key` or `configurations.<field>`",
}
