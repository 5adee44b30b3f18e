"""Settings refuse what they do not know, and name the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.settings import Credentials, SettingsError, credentials, load


def test_defaults_load_and_are_the_simulator() -> None:
    settings = load(env={})
    assert settings.simulated()
    assert settings.rest_url() == "http://127.0.0.1:8787"
    assert settings.hub_url() == "ws://127.0.0.1:8787"


@pytest.mark.parametrize("environment", ["DEMO", "LIVE"])
def test_off_the_simulator_the_venue_is_topstepx(environment: str) -> None:
    settings = load(env={"TSQ__VENUE__ENVIRONMENT": environment})
    assert settings.rest_url() == "https://api.topstepx.com"
    assert settings.hub_url() == "wss://rtc.topstepx.com"
    own = {"TSQ__VENUE__REST_URL": "http://127.0.0.1:1", "TSQ__VENUE__HUB_URL": "ws://127.0.0.1:1"}
    settings = load(env=own | {"TSQ__VENUE__ENVIRONMENT": environment})
    assert (settings.rest_url(), settings.hub_url()) == ("http://127.0.0.1:1", "ws://127.0.0.1:1")


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("REST_URL", "https://api.topstepx.com"),
        ("HUB_URL", "wss://rtc.topstepx.com"),
        ("REST_URL", "http://127.0.0.1.example.com"),
        ("REST_URL", "nonsense"),
    ],
)
def test_what_needs_no_arming_may_not_be_elsewhere(name: str, url: str) -> None:
    with pytest.raises(SettingsError, match=rf"venue\.{name.lower()}"):
        load(env={f"TSQ__VENUE__{name}": url})


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("TSQ__SIMULATOR__PROT", "1", "$.simulator"),
        ("TSQ__SIMULATOR__PORT", "99999", "$.simulator.port"),
        ("TSQ__SIMULATOR__PORT", "many", "$.simulator.port"),
        ("TSQ__RISK_GOVERNOR__DAILY_LOSS", "0", "$.risk_governor.daily_loss"),
        ("TSQ__VENUE__ENVIRONMENT", "PAPER", "$.venue.environment"),
        ("TSQ__SLEEVES__TREND__COLOUR", "red", "$.sleeves"),
        ("TSQ__NOTHING__AT_ALL", "1", "nothing"),
    ],
)
def test_a_wrong_setting_refuses_with_its_path(key: str, value: str, path: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(env={key: value})
    assert path in str(refusal.value)


def test_layers_file_over_defaults_and_environment_over_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[simulator]\nspeed = 5.0\nseed = 3\n")
    settings = load(mine, env={"TSQ__SIMULATOR__SEED": "11"})
    assert (settings.simulator.speed, settings.simulator.seed) == (5.0, 11)
    assert load(env={"TSQ_SETTINGS": str(mine)}).simulator.seed == 3


@pytest.mark.parametrize("text", ["[simulator\n", "speed = = 1", "\x00"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    with pytest.raises(SettingsError, match=r"mine\.toml"):
        load(mine, env={})


def test_the_environment_may_hold_an_instant_or_quotes() -> None:
    start = "2026-11-18T16:59:00-06:00"
    assert load(env={"TSQ__SIMULATOR__START": start}).simulator.start == start
    assert load(env={"TSQ__SIMULATOR__REGIME": "A B"}).simulator.regime == "A B"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml"):
        load(tmp_path / "absent.toml", env={})


def test_fingerprint_follows_every_value() -> None:
    assert load(env={}).fingerprint() == load(env={}).fingerprint()
    assert load(env={}).fingerprint() != load(env={"TSQ__SIMULATOR__SEED": "8"}).fingerprint()


def test_credentials_are_required_off_the_simulator_and_never_shown() -> None:
    live = load(env={"TSQ__VENUE__ENVIRONMENT": "DEMO"})
    with pytest.raises(SettingsError, match="TOPSTEPX_USERNAME"):
        credentials(live, env={})
    login = credentials(live, env={"PROJECT_X_USERNAME": "ann", "PROJECT_X_API_KEY": "s3cret"})
    assert login == Credentials("ann", "s3cret")
    assert "s3cret" not in repr(login)
