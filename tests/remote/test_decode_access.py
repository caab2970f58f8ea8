"""Decoding of models and workspaces in every observed form."""

from typing import Any

import pytest

from reconciler.domain.tree import plain
from reconciler.remote import decode
from reconciler.remote.errors import NoAnswer
from reconciler.remote.exchange import read_json
from tests.remote.builders import row

EMPTY = decode.from_row(row())
LIMIT = {"type": "cost", "credit_limit": 5}


def test_models_are_decoded_with_all_forms_of_a_boolean_and_without_metadata() -> None:
    observed = decode.with_models(
        EMPTY,
        {
            "allow_all_models": "false",
            "object": "list",
            "models": [
                {
                    "slug": "gpt-5",
                    "enabled": True,
                    "is_custom": 0,
                    "is_finetune": "false",
                    "base_model_slug": None,
                    "pricing_config": None,
                    "created_at": "2026-05-02T12:31:48.000Z",
                    "last_updated_at": None,
                    "description": None,
                    "name": "GPT 5",
                },
                {
                    "slug": "us.anthropic/tune:0",
                    "enabled": 1,
                    "is_custom": True,
                    "base_model_slug": "base",
                    "name": "Tuned",
                    "description": "Ours",
                    "pricing_config": {"type": "static"},
                    "configurations": {
                        "custom_host": "https://h",
                        "custom_headers": {"a": "b"},
                        "api_key": "shown by mistake",
                    },
                },
            ],
        },
    )
    assert observed.models_read
    assert plain(observed.fields["models"]) == [
        {"slug": "gpt-5", "enabled": True, "is_custom": False, "is_finetune": False},
        {
            "slug": "us.anthropic/tune:0",
            "enabled": True,
            "is_custom": True,
            "base_model_slug": "base",
            "name": "Tuned",
            "description": "Ours",
            "pricing_config": {"type": "static"},
            "configurations": {
                "custom_host": "https://h",
                "custom_headers": {"a": {"redacted": True}},
                "api_key": {"redacted": True},
            },
        },
    ]
    assert observed.fields["allow_all_models"] is False


@pytest.mark.parametrize("name", ["workspaces", "data"])
def test_workspaces_are_decoded_without_server_added_fields_of_limits(name: str) -> None:
    answer = {
        "total": 2,
        name: [
            {
                "id": "ws-a",
                "enabled": True,
                "status": "active",
                "created_at": "2026-05-02T12:31:48.000Z",
                "last_reset_at": None,
                "usage_limits": [
                    {
                        "id": "l1",
                        "status": "active",
                        "type": "cost",
                        "credit_limit": 500,
                        "current_usage": 12.5,
                        "alert_threshold": None,
                        "periodic_reset": "",
                        "is_exhausted_alerts_sent": False,
                        "next_usage_reset_at": "2026-06-01T00:00:00Z",
                    }
                ],
                "rate_limits": [{"type": "requests", "unit": "rpm", "value": 5, "id": "r"}],
            },
            {"id": "ws-b", "enabled": False, "status": "archived", "usage_limits": None},
        ],
    }
    observed = decode.with_workspaces(EMPTY, answer)
    assert observed.workspaces_read
    assert observed.fields["workspaces"] == [
        {
            "id": "ws-a",
            "enabled": True,
            "usage_limits": [
                {
                    "type": "cost",
                    "credit_limit": 500,
                    "next_usage_reset_at": "2026-06-01T00:00:00Z",
                }
            ],
            "rate_limits": [{"type": "requests", "unit": "rpm", "value": 5}],
        },
        {"id": "ws-b", "enabled": False},
    ]


def test_null_lists_of_sub_resources_are_empty() -> None:
    assert decode.with_models(EMPTY, {"models": None}).fields["models"] == []
    assert decode.with_workspaces(EMPTY, {"workspaces": None}).fields["workspaces"] == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"models": {}},
        {"models": [1]},
        {"models": [{"enabled": True}]},
        {"models": [{"slug": "m"}]},
        {"models": [{"slug": "m", "enabled": True, "configurations": 1}]},
        {"models": [], "total": 1},
        {"models": [{"slug": "m", "enabled": True}], "total": 100},
        {"models": [{"slug": "m", "enabled": True}], "total": "2"},
        {"models": [{"slug": "m", "enabled": True}], "total": 2.0},
        {"models": [{"slug": "m", "enabled": True}], "total": True},
        {"models": [{"slug": "m", "enabled": True}], "total": "many"},
        {"models": [{"slug": "m", "enabled": True}], "total": "9" * 20},
        {"models": [{"slug": "m", "enabled": True}]} | read_json('{"total": 1, "total": 2}'),
        {"models": [{"slug": "m", "enabled": True}], "has_more": True},
        {"models": [{"slug": "m", "enabled": True}, {"slug": "m", "enabled": False}]},
    ],
)
def test_invalid_models_are_an_error(answer: dict[str, Any]) -> None:
    with pytest.raises(NoAnswer):
        decode.with_models(EMPTY, answer)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"workspaces": "x"},
        {"workspaces": [{"enabled": True}]},
        {"workspaces": [{"id": "w", "enabled": "maybe"}]},
        {"workspaces": [{"id": "w", "enabled": True, "usage_limits": {}}]},
        {"workspaces": [{"id": "w", "enabled": True, "usage_limits": [LIMIT, LIMIT]}]},
        {
            "workspaces": [],
            "global_workspace_access": {"enabled": True, "usage_limits": [LIMIT] * 2},
        },
        {"workspaces": [], "total": 2},
        {"data": [{"id": "w", "enabled": True}], "total": 2},
        {"workspaces": [{"id": "w", "enabled": True}], "has_more": True},
        {"workspaces": [{"id": "w", "enabled": True}, {"id": "w", "enabled": False}]},
    ],
)
def test_invalid_workspaces_are_an_error(answer: dict[str, Any]) -> None:
    with pytest.raises(NoAnswer):
        decode.with_workspaces(EMPTY, answer)


def test_the_documented_total_and_an_entry_listed_twice_alike_are_accepted() -> None:
    entry = {"slug": "m", "enabled": True}
    answer = {"models": [entry, entry], "total": 2, "has_more": False}
    assert len(decode.with_models(EMPTY, answer).fields["models"]) == 2


@pytest.mark.parametrize("total", [None, 0, 1, 1.0, "1", "0"])
def test_every_form_of_a_total_that_announces_no_more_is_accepted(total: object) -> None:
    answer = {"models": [{"slug": "m", "enabled": True}], "total": total}
    assert len(decode.with_models(EMPTY, answer).fields["models"]) == 1
