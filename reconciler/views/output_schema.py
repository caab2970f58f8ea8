"""JSON Schemas of the output of `--format json`: plan, result, drift report.

They are derived from the models that validate saved documents. Schemas of files:
`reconciler.desired.schema`.
"""

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from reconciler.drift.codec import DriftDocument
from reconciler.execution.result_documents import ResultDocument
from reconciler.planning.documents import PlanDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, object]


def plan() -> Schema:
    """Return the schema of a plan."""
    return _schema("Plan", PlanDocument)


def result() -> Schema:
    """Return the schema of the result of an apply."""
    return _schema("Result of an apply", ResultDocument)


def drift() -> Schema:
    """Return the schema of a drift report."""
    return _schema("Drift report", DriftDocument)


class _Generator(GenerateJsonSchema):
    schema_dialect = DIALECT

    def field_title_should_be_set(self, _schema: object) -> bool:
        """Omit titles that only repeat the key."""
        return False


def _schema(title: str, shape: type) -> Schema:
    document: Schema = TypeAdapter(shape).json_schema(schema_generator=_Generator)
    return {"$schema": DIALECT, **document, "title": title}
