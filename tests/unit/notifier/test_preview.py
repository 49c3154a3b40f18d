"""Preview: what a campaign would say, and which transition it would say it about."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.notifier.campaign.campaign import Campaign
from services.notifier.commands.campaigns import beginning, named, read_transitions
from services.notifier.file.campaigns import load_text
from services.notifier.operate.preview import carried_traits, newest_answered, preview
from services.notifier.operate.replay import Beginning
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.errors import Refused
from shared.transition import encode
from tests.builders_notifier import NOW_MS, RULES, a_transition


def the_campaign(*steps: str) -> Campaign:
    listed = "".join(f"  - {step}\n" for step in steps)
    loaded = load_text(
        f"campaign: win-back\non: {{lifecycle: shop, stage: at_risk, change: moved}}\nsend:\n{listed}",
        RULES,
        file="c.yaml",
    )
    assert loaded.faults == ()
    return loaded.campaigns[0]


MAIL = '{channel: email, subject: "Hello {{ traits.name }}", text: "Line 1\\n{{ metrics.orders }} orders"}'


def test_every_step_is_shown_as_it_would_go_out():
    moved = a_transition(carried={"orders": 3})
    text, is_whole = preview(
        the_campaign(MAIL, "{channel: kafka}"), moved, traits={"email": "ann@example.com", "name": "Ann"},
        links=UnsubscribeLinks(),
    )  # fmt: skip
    assert is_whole
    assert text.splitlines() == [
        f"win-back, on the transition of {moved.at}",
        "",
        "step 1, email to ann@example.com",
        "text:",
        "  Line 1",
        "  3 orders",
        "subject:",
        "  Hello Ann",
        "",
        "step 2, kafka",
        "the transition itself, as it stands",
    ]


def test_a_step_that_could_not_be_sent_says_why():
    text, is_whole = preview(the_campaign(MAIL), a_transition(), traits={}, links=UnsubscribeLinks())
    assert not is_whole
    assert text.splitlines()[-1] == "step 1, email: would not be sent: the customer has no `traits.email`"


def test_the_newest_transition_that_the_campaign_answers_is_taken():
    newest = [a_transition(id="3", to_stage="active"), a_transition(id="2"), a_transition(id="1")]
    found = newest_answered(the_campaign(MAIL), newest)
    assert found is not None
    assert found.id == "2"


def test_what_a_transition_carries_of_the_traits_is_known_without_a_database():
    carried = {"traits.email": "ann@example.com", "traits.address.city": "Rome", "traits.none": None, "orders": 3}
    assert carried_traits(a_transition(carried=carried)) == {"email": "ann@example.com", "address": {"city": "Rome"}}


def test_a_file_of_transitions_is_read_from_its_end(tmp_path: Path):
    lines = [a_transition(id="1"), a_transition(id="2", customer="bob"), a_transition(id="3")]
    path = tmp_path / "t.ndjson"
    path.write_bytes(b"\n".join(encode(line) for line in lines) + b"\n")
    assert [one.id for one in read_transitions(path, customer="ann")] == ["3", "1"]
    assert [one.id for one in read_transitions(path, customer=None)] == ["3", "2", "1"]


def test_a_file_that_holds_no_transition_is_refused(tmp_path: Path):
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(Refused, match="not a transition"):
        read_transitions(tmp_path / "t.json", customer=None)


def test_a_name_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(Refused, match="did you mean `win-back`"):
        named("win_back", [the_campaign(MAIL)])


def test_a_replay_begins_at_a_time_or_at_a_place():
    assert beginning(from_time="2027-01-15T08:00:00Z", from_seq=None) == Beginning(at_ms=NOW_MS)
    assert beginning(from_time=None, from_seq="3:1200") == Beginning(partition=3, seq=1200)


@pytest.mark.parametrize(
    ("from_time", "from_seq"), [(None, None), ("2027-01-01", "1:1"), ("soon", None), (None, "7"), (None, "1:0")]
)
def test_a_replay_from_nowhere_is_refused(from_time: str | None, from_seq: str | None):
    with pytest.raises(Refused):
        beginning(from_time=from_time, from_seq=from_seq)
