"""Settings from the environment, which are never shown."""

from reconciler.cli.settings import from_environment


def test_an_empty_variable_counts_as_unset() -> None:
    settings = from_environment({"PORTKEY_BASE_URL": " ", "RECONCILE_LEDGER_PEPPER": ""})
    assert settings.base_url is None
    assert settings.ledger_pepper is None


def test_hosts_are_a_list_with_commas() -> None:
    settings = from_environment({"RECONCILE_ALLOWED_HOSTS": "a.example, b.example,,"})
    assert settings.allowed_hosts == ("a.example", "b.example")


def test_printed_settings_show_no_secret() -> None:
    settings = from_environment(
        {
            "PORTKEY_API_KEY": "pk-canary",
            "RECONCILE_LEDGER_URL": "postgresql://me:canary@db/ledger",
            "RECONCILE_LEDGER_PEPPER": "canary",
            "RECONCILE_PROXY": "http://me:canary@proxy:3128",
        }
    )
    assert "canary" not in repr(settings)
    assert settings.ledger_url is not None
    assert settings.environment["PORTKEY_API_KEY"] == "pk-canary"
