"""The notifier's settings: secrets are checked, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.notifier.settings import NotifierSettings
from shared.errors import Refused
from shared.settings import read_settings
from tests.receiver import SECRET


@pytest.mark.parametrize("secret", ["hunter2", "whsec_c2hvcnQ=", f"{SECRET} whsec_!", SECRET.removeprefix("whsec_")])
def test_a_wrong_webhook_secret_is_refused_without_being_shown(secret: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAGELINE_WEBHOOK_SECRET", secret)
    with pytest.raises(Refused, match="STAGELINE_WEBHOOK_SECRET: expected whsec_") as caught:
        read_settings(NotifierSettings)
    assert secret not in str(caught.value)


def test_a_secret_can_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secret").write_text(f"{SECRET}\n{SECRET}\n")
    monkeypatch.setenv("STAGELINE_WEBHOOK_SECRET_FILE", str(tmp_path / "secret"))
    assert read_settings(NotifierSettings).webhook_secrets == [SECRET, SECRET]


def test_secrets_do_not_stand_in_the_text_of_the_settings():
    text = repr(NotifierSettings(webhook_secret=SECRET, admin_token="token-of-mine"))
    assert SECRET not in text
    assert "token-of-mine" not in text


def test_campaigns_may_be_several_paths():
    assert NotifierSettings(campaigns="a,b/c.yaml").campaigns == (Path("a"), Path("b/c.yaml"))  # type: ignore[arg-type]
    assert NotifierSettings().campaigns == ()
