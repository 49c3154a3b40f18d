"""Steps: what each channel's may hold, where templates are looked for, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from services.notifier.campaign.step import Step, endpoint_of
from services.notifier.file.campaigns import Loaded, load_paths, load_text
from services.notifier.file.step_fields import unknown_metrics
from tests.builders_notifier import RULES

HEAD = "campaign: hello\non: {lifecycle: shop, stage: active, change: moved}\nsend:\n"


def load(steps: str) -> Loaded:
    return load_text(HEAD + dedent(steps), RULES, file="c.yaml")


def load_with(folder: Path, steps: str, **files: str) -> Loaded:
    for name, text in files.items():
        (folder / f"{name.replace('_html', '.html')}.liquid").write_text(text)
    (folder / "c.yaml").write_text(HEAD + dedent(steps))
    return load_paths([folder], RULES)


def the_step(loaded: Loaded) -> Step:
    assert loaded.faults == ()
    return loaded.campaigns[0].steps[0]


def texts(step: Step) -> dict[str, str]:
    return {name: template.text for name, template in step.parts.items()}


def test_an_email_goes_to_the_trait_email_unless_it_says_where_to():
    step = the_step(load('- {channel: email, subject: Hi, text: "Hello {{ customer.id }}"}'))
    assert (step.channel, step.target) == ("email", "traits.email")
    assert texts(step) == {"subject": "Hi", "text": "Hello {{ customer.id }}"}
    assert the_step(load("- {channel: email, to: traits.work.mail, subject: A, text: B}")).target == "traits.work.mail"


def test_a_template_file_stands_beside_the_campaign_and_may_begin_with_its_subject(tmp_path: Path):
    loaded = load_with(
        tmp_path, "- {channel: email, template: back.liquid}", back="Subject: Come back, {{ traits.name }}\n\nHello\n"
    )
    assert texts(the_step(loaded)) == {"subject": "Come back, {{ traits.name }}", "text": "Hello\n"}


def test_a_template_that_ends_in_html_is_the_html_part(tmp_path: Path):
    loaded = load_with(
        tmp_path, "- {channel: email, template: back.html.liquid, text: Plain}", back_html="Subject: A\n<p>B</p>"
    )
    step = the_step(loaded)
    assert texts(step) == {"text": "Plain", "subject": "A", "html": "<p>B</p>"}
    assert step.parts["html"].markup == "html"


def test_a_fault_in_a_template_file_is_shown_at_its_place_there(tmp_path: Path):
    text = "Subject: Hi {{ traits.name }}\n\nDear customer,\nyou bought {{ metric.orders }} times\n"
    (fault,) = load_with(tmp_path, "- {channel: email, template: back.liquid}", back=text).faults
    assert fault.render() == (
        f"{tmp_path}/back.liquid:4:15: error: there is no `metric` in a template (did you mean `metrics`?)\n"
        "  | you bought {{ metric.orders }} times\n"
        "  |               ^^^^^^"
    )


def test_a_fault_in_a_template_that_stands_in_the_campaign_is_shown_there():
    (fault,) = load('- {channel: slack, text: "{{ trait.x }}"}').faults
    assert (fault.file, fault.line, fault.column, fault.suggestion) == ("c.yaml", 4, 30, "traits")


@pytest.mark.parametrize("name", ["../secret.liquid", "/etc/secret.liquid", "a/../../secret.liquid"])
def test_a_template_outside_the_campaigns_folder_is_a_fault(tmp_path: Path, name: str):
    (tmp_path / "secret.liquid").write_text("secret")
    inside = tmp_path / "campaigns"
    inside.mkdir()
    (fault,) = load_with(inside, f"- {{channel: console, text: {name}}}").faults
    assert "outside the folder" in fault.message


def test_a_link_that_leads_out_of_the_folder_is_a_fault(tmp_path: Path):
    (tmp_path / "secret.liquid").write_text("secret")
    inside = tmp_path / "campaigns"
    inside.mkdir()
    (inside / "a.liquid").symlink_to(tmp_path / "secret.liquid")
    (fault,) = load_with(inside, "- {channel: console, text: a.liquid}").faults
    assert "outside the folder" in fault.message


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{channel: email, text: Hello}", "an email step needs `subject` or `template`"),
        ("{channel: email, subject: Hello}", "an email step needs `text` or `html` or `template`"),
        ("{channel: slack}", "a slack step needs `text` or `template`"),
        ("{channel: email, subject: A, text: B, to: someone}", "`to` is a trait such as `traits.email`, or an address"),
        ("{channel: email, subject: A, text: B, url: 'https://x.example'}", "an email step has no `url`"),
        ("{channel: kafka, text: A}", "a kafka step has no `text`"),
        ("{channel: slack, text: gone.liquid}", "`text` names a file that cannot be read: No such file or directory"),
        ("{channel: slack, text: [a]}", "`text` is a template, or the name of a file that ends in `.liquid`"),
    ],
)
def test_a_wrong_step_is_a_fault(step: str, said: str):
    assert [fault.message for fault in load(f"- {step}").faults] == [said]


def test_a_metric_that_the_lifecycle_does_not_carry_is_a_fault_at_its_place():
    step = the_step(load('- {channel: console, text: "{{ metrics.order }} {{ metrics.spend }}"}'))
    (fault,) = unknown_metrics(step, ["orders", "spend"])
    assert (fault.line, fault.column, fault.suggestion) == (4, 40, "orders")


def test_steps_to_one_machine_have_one_endpoint():
    steps = [the_step(load(f"- {{channel: webhook, url: 'https://x.example/{path}'}}")) for path in "ab"]
    assert {endpoint_of(step) for step in steps} == {"https://x.example"}
    assert endpoint_of(the_step(load("- {channel: kafka}"))) == "kafka"
