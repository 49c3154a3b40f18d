"""A template: Liquid text, checked when it is loaded and rendered within limits.

What a template may name is a closed list (`NAMESPACE`), so that a misspelt variable is found when the file is read. A
trait or metric that this customer does not have prints nothing by accident: it is an error, unless `default` or `if`
deals with it. This module must not know files, the log, the database or a channel.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from liquid import BoundTemplate, Environment, RenderContext
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.extra import JSON
from liquid.static_analysis import Segments
from liquid.undefined import FalsyStrictUndefined

from shared.document.nodes import Fault, Faults, nearest
from shared.errors import Malformed

TEMPLATE_CHARACTERS_MAX = 100_000  # mail programs cut an HTML message at about this
OUTPUT_BYTES_MAX = 250_000  # below what the log takes in one record, and more than anybody reads
LOOPS_MAX = 1_000  # items printed in one message, nested loops multiplied; a trait can hold a long list
LOCALS_BYTES_MAX = 1_000_000  # what `assign` and `capture` may keep
RENDER_S_MAX = 0.25  # a usual template takes well under a millisecond, and every other delivery waits meanwhile

ANYTHING: frozenset[str] = frozenset()
"""Below these names anything may stand: it is the customer's, and only sending can tell."""

NAMESPACE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "customer": frozenset({"id", "traits"}),
        "traits": ANYTHING,
        "metrics": ANYTHING,
        "transition": frozenset({"id", "change", "from", "to", "at", "entry", "nth", "stay_ms", "cause", "n", "seq"}),
        "lifecycle": frozenset({"name", "stage", "version"}),
        "campaign": frozenset({"name"}),
        "unsubscribe_link": ANYTHING,
    }
)


class Markup(StrEnum):
    """What a template makes. In HTML every value is escaped; JSON must be JSON once it is rendered.

    In Slack's markup `&`, `<` and `>` of a value are escaped, and nothing else ("Escaping text"): a customer named
    `<!channel>` must not call everybody.
    """

    TEXT = "text"
    SLACK = "slack"
    HTML = "html"
    JSON = "json"


Faulted = Callable[[int, str, str, str | None], Fault]
"""Makes the fault at an offset of a template's text: offset, the text that is wrong, message, suggestion."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template that has been checked. `metrics` are those that it names, each with its first place in the text."""

    text: str
    markup: Markup
    bound: BoundTemplate = field(compare=False, repr=False)
    faulted: Faulted = field(compare=False, repr=False)
    metrics: Mapping[str, int] = field(compare=False, repr=False)
    has_unsubscribe_link: bool = field(compare=False, repr=False)

    def render(self, values: Mapping[str, object], *, clock_s: Callable[[], float] = time.monotonic) -> str:
        """The text for one customer; `values` are the members of NAMESPACE.

        Errors: Malformed when a value is missing, a limit is reached, or it fails in any other way; its text is for
        people and holds nothing of the customer's values.
        """
        context = _LimitedContext(self.bound, globals=dict(values))
        context.end_s = clock_s() + RENDER_S_MAX
        context.clock_s = clock_s
        buffer = context.get_buffer()
        try:
            self.bound.render_with_context(context, buffer)
        except LiquidError as error:
            raise Malformed(f"the template cannot be rendered: {_said(error)}") from error
        except Exception as error:
            # Not only in the outermost loop: the library promises no closed set (KeyError of `compact`, IndexError of
            # `uniq` ...), and a value that one customer has must cost nobody else anything.
            raise Malformed(f"the template cannot be rendered: {type(error).__name__} in a filter") from error
        return _without_quotes_escaped(buffer.getvalue()) if self.markup is Markup.SLACK else buffer.getvalue()


def compile_template(text: str, faults: Faults, *, markup: Markup, faulted: Faulted) -> Template | None:
    """Check a template; None when something is wrong, and then all of it stands in `faults`."""
    if len(text) > TEMPLATE_CHARACTERS_MAX:
        faults.include(faulted(0, "", f"a template has up to {TEMPLATE_CHARACTERS_MAX:,} characters", None))
        return None
    try:
        bound = _ENVIRONMENTS[markup].from_string(text)
        found = bound.analyze()
    except LiquidError as error:
        faults.include(_syntax_fault(error, text, faulted))
        return None
    places = [(variable.segments, variable.span.index) for uses in found.globals.values() for variable in uses]
    wrong = [faulted(*part) for part in (*_unknown_names(places), *_unknown_filters(found.filters))]
    faults.include(*wrong)
    metrics = {str(path[1]): offset for path, offset in reversed(places) if path[0] == "metrics" and len(path) > 1}
    has_link = any(path[0] == "unsubscribe_link" for path, _ in places)
    return None if wrong else Template(text, markup, bound, faulted, metrics, has_link)


class _LimitedContext(RenderContext):
    """A context with an end. Every node of the template asks for the disabled tags before it is rendered."""

    end_s = float("inf")
    clock_s = staticmethod(time.monotonic)

    @property
    def disabled_tags(self) -> list[str]:
        if self.clock_s() > self.end_s:
            raise ResourceLimitError("it takes too long", token=None)
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        """The tags that could be disabled do not exist here."""


class _LimitedEnvironment(Environment):
    loop_iteration_limit = LOOPS_MAX
    output_stream_limit = OUTPUT_BYTES_MAX
    local_namespace_limit = LOCALS_BYTES_MAX


_ESCAPED = frozenset({Markup.HTML, Markup.SLACK})


def _environment(markup: Markup) -> Environment:
    made = _LimitedEnvironment(undefined=FalsyStrictUndefined, autoescape=markup in _ESCAPED)
    for tag in ("include", "render"):  # a template is one file: nothing else of the disk can be reached
        del made.tags[tag]
    made.add_filter(JSON.name, JSON())
    return made


_ENVIRONMENTS = {markup: _environment(markup) for markup in Markup}


def _without_quotes_escaped(text: str) -> str:
    return text.replace("&#34;", '"').replace("&#39;", "'")


_Wrong = tuple[int, str, str, str | None]


def _unknown_names(places: list[tuple[Segments, int]]) -> Iterator[_Wrong]:
    for path, offset in places:
        root = str(path[0])
        if root not in NAMESPACE:
            yield offset, root, f"there is no `{root}` in a template", nearest(root, NAMESPACE)
            continue
        known = NAMESPACE[root]
        part = path[1] if len(path) > 1 else None
        if known and isinstance(part, str) and part not in known:
            message = f"`{root}` has no `{part}` in a template"
            suggestion = nearest(part, known)
            yield offset, f"{root}.{part}", message, f"{root}.{suggestion}" if suggestion else None


def _unknown_filters(filters: Mapping[str, Any]) -> Iterator[_Wrong]:
    known = _ENVIRONMENTS[Markup.TEXT].filters
    for name, spans in filters.items():
        if name not in known:
            for span in spans:
                yield span.index, name, f"there is no filter `{name}`", nearest(name, known)


def _syntax_fault(error: LiquidError, text: str, faulted: Faulted) -> Fault:
    token, tags = error.token, _ENVIRONMENTS[Markup.TEXT].tags
    is_placed = token is not None and token.start_index >= 0
    offset = token.start_index if token is not None and is_placed else max(0, len(text.rstrip()) - 1)
    shown = token.value.partition("\n")[0] if token is not None and is_placed else ""
    is_tag = "unexpected tag" in str(error.message)
    suggestion = nearest(shown, [*tags, *(f"end{tag}" for tag in tags)]) if is_tag else None
    return faulted(offset, shown, f"this is not Liquid: {error.message}", suggestion)


def _said(error: LiquidError) -> str:
    token = error.token
    if token is None or token.start_index < 0:
        return str(error.message)
    line = token.source.count("\n", 0, token.start_index) + 1
    return f"{error.message} (line {line})"
