"""Templates: what is found when they are loaded, and what can happen when they are rendered."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest
from liquid import Environment

from services.notifier.campaign.template import LOOPS_MAX, OUTPUT_BYTES_MAX, Markup, Template
from services.notifier.file.template import TemplateText
from services.notifier.sending.compose import namespace
from shared.document.nodes import Faults, Source
from shared.errors import Malformed
from tests.builders_notifier import a_transition


def compiled(text: str, markup: Markup = Markup.TEXT) -> tuple[Template | None, Faults]:
    faults, source = Faults(), Source.of(text, file="t.liquid")
    place = TemplateText(
        text,
        lambda offset, shown, message, suggestion: source.fault(offset, message, text=shown, suggestion=suggestion),
    )
    return place.compiled(faults, markup=markup), faults


def rendered(text: str, markup: Markup = Markup.TEXT, **traits: object) -> str:
    template, faults = compiled(text, markup)
    assert template is not None, faults.in_order()
    moved = a_transition(carried={"orders": 3, "nps": None, "traits.email": "old@example.com"})
    return template.render(namespace(moved, campaign="win-back", traits=traits, link="https://shop.example/u?t=1"))


def test_a_template_knows_the_customer_the_metrics_the_transition_the_lifecycle_and_the_link():
    text = (
        "{{ customer.id }} {{ traits.name }} {{ customer.traits.name }} {{ metrics.orders }} {{ transition.from }} "
        "{{ transition.to }} {{ lifecycle.name }} {{ campaign.name }} {{ unsubscribe_link }}"
    )
    assert rendered(text, name="Ann") == "ann Ann Ann 3 active at_risk shop win-back https://shop.example/u?t=1"


@pytest.mark.parametrize(
    "text", ["{{ traits.name }}", "{{ metrics.nps }}", "{{ traits.a.b }}", "{% for x in traits.y %}{% endfor %}"]
)
def test_what_this_customer_does_not_have_is_an_error_and_prints_nothing_by_accident(text: str):
    with pytest.raises(Malformed, match=r"is undefined \(line 1\)"):
        rendered(text)


def test_a_default_stands_in_for_what_is_missing():
    assert rendered("Hello {{ traits.name | default: 'there' }}") == "Hello there"


def test_an_if_may_ask_whether_something_is_there():
    assert rendered("{% if traits.name %}Hello {{ traits.name }}{% else %}Hello{% endif %}") == "Hello"


def test_html_escapes_what_customers_wrote_and_text_does_not():
    assert rendered("<b>{{ traits.name }}</b>", Markup.HTML, name="<script>") == "<b>&lt;script&gt;</b>"
    assert rendered("{{ traits.name }}", name="<script>") == "<script>"


def test_what_a_customer_wrote_is_no_command_to_slack():
    text = rendered(
        "<{{ unsubscribe_link }}|link> of {{ traits.name }}", Markup.SLACK, name="""<!channel> & "Ann's\""""
    )
    assert text == """<https://shop.example/u?t=1|link> of &lt;!channel&gt; &amp; "Ann's\""""


def test_json_writes_a_value_as_json():
    assert rendered('{"name": {{ traits.name | json }}}', Markup.JSON, name='A "quote"') == '{"name": "A \\"quote\\""}'


@pytest.mark.parametrize(
    ("text", "place", "suggestion"),
    [
        ("Hello\n{{ trait.name }}", (2, 4, "trait"), "traits"),
        ("{{ transition.form }}", (1, 4, "transition.form"), "transition.from"),
        ("{{ customer.name }}", (1, 4, "customer.name"), None),
        ("{{ traits.name | defalt: 'x' }}", (1, 18, "defalt"), "default"),
        ("a\nb {% iff traits.x %}", (2, 6, "iff"), "if"),
        ("{% if traits.x %}\nyes", (2, 3, ""), None),
        ("{{ traits.x ", (1, 1, "{{ traits.x "), None),
        ("{% include 'secrets' %}", (1, 4, "include"), None),
        ("{% if traits.x %}{% endfi %}", (1, 21, "endfi"), "endif"),
    ],
)
def test_a_mistake_is_found_when_the_template_is_loaded(text: str, place: tuple, suggestion: str | None):
    template, faults = compiled(text)
    (fault,) = faults.in_order()
    assert template is None
    assert ((fault.line, fault.column, fault.text), fault.suggestion) == (place, suggestion)


def test_every_unknown_name_of_a_template_is_told_at_once():
    _, faults = compiled("{{ a }} {{ b }} {% for x in c %}{{ x }}{% endfor %}{% assign y = 1 %}{{ y }}")
    assert [fault.text for fault in faults.in_order()] == ["a", "b", "c"]


def test_the_metrics_that_a_template_names_are_known_with_their_first_place():
    template, _ = compiled("{{ metrics.orders }}{{ metrics.spend }}{{ metrics.orders }}")
    assert template is not None
    assert template.metrics == {"orders": 3, "spend": 23}


@pytest.mark.parametrize(
    "text",
    [
        f"{{% for x in (1..{LOOPS_MAX + 1}) %}}{{% endfor %}}",
        "{% for x in (1..100) %}{% for y in (1..100) %}{% endfor %}{% endfor %}",
        "{% for x in traits.long %}{{ x }}{% endfor %}",
        "{% for x in (1..900) %}{{ traits.large }}{% endfor %}",
        "{% assign a = traits.large %}{% for x in (1..40) %}{% assign a = a | append: a %}{% endfor %}",
    ],
)
def test_no_template_outgrows_its_limits(text: str):
    with pytest.raises(Malformed, match="limit"):
        rendered(text, long=["x"] * 5_000, large="x" * (OUTPUT_BYTES_MAX // 500))


def test_a_template_that_takes_too_long_is_ended():
    template, _ = compiled("{% for x in (1..1000) %}{% if x == 0 %}{% endif %}{% endfor %}")
    assert template is not None
    seconds = count(0.0, 0.01)
    with pytest.raises(Malformed, match="too long"):
        template.render({}, clock_s=lambda: next(seconds))


ODD_VALUES: tuple[object, ...] = (
    None, True, 0, -1, 1.5, 10**400, "", "x", "1", "9" * 5_000, [], [None], [1, "a", {}], ["a"], [{"a": 1}], [[1]], {},
    {"a": 1},
)  # fmt: skip
ODD_ARGUMENTS = ("", ": 1", ": 'a'", ": 'a', 'b'", ": traits.odd", ": traits.odd, -1", ": nothing: 1")


@pytest.mark.parametrize("name", sorted({*Environment().filters, "json"}))
def test_a_filter_makes_a_text_of_whatever_a_customer_has_or_says_that_it_cannot(name: str):
    for arguments in ODD_ARGUMENTS:
        template, _ = compiled(f"{{{{ traits.odd | {name}{arguments} }}}}")
        for value in ODD_VALUES if template is not None else ():
            with suppress(Malformed):
                template.render(namespace(a_transition(), campaign="win-back", traits={"odd": value}, link=""))


def test_the_error_of_a_template_holds_none_of_the_customers_values():
    with pytest.raises(Malformed) as caught:
        rendered("{{ traits.name | divided_by: 0 }}", name="Ann Secret")
    assert "Ann" not in str(caught.value)
