"""The three ways to write `linger` and the three of `re_enter` (LANGUAGE.md 1 and 5)."""

from __future__ import annotations

import re

from services.stager.language.definition import Linger
from services.stager.language.fields import WHOLE_MAX, Fields, as_list, read_duration_node
from services.stager.language.literals import INSTANT_MAX, is_quantity
from shared.clock import MINUTE_MS
from shared.document.nodes import Faults, Listing, Mapping, Scalar, nearest

_WORDS = {"yes": "always", "true": "always", "on": "always", "no": "never", "false": "never", "off": "never"}
_EVERY = re.compile(r"every +([0-9]+[a-z]+)")


def read_linger(fields: Fields) -> Linger | None:
    """`7d`, `[1d, 3d]` or `{after: 7d, every: 7d, times: 3}`; None when absent or wrong."""
    node = fields.node("linger")
    if isinstance(node, Mapping):
        return _repeated(node, fields.faults)
    if isinstance(node, Listing):
        return _listed(node, fields.faults)
    if isinstance(node, Scalar) and (repeated := _EVERY.fullmatch(node.value)):
        every = repeated[1]
        fields.faults.add(node, f"`linger` again and again is written `{{after: {every}, every: {every}, times: 3}}`")
        return None
    if isinstance(node, Scalar) and "," in node.value:
        fields.faults.add(node, "several durations are a list", suggestion=as_list(node.value))
        return None
    after = fields.duration("linger")
    return Linger((after,)) if after is not None else None


def _listed(node: Listing, faults: Faults) -> Linger | None:
    if not 1 <= len(node.items) <= WHOLE_MAX:
        faults.add(node, f"`linger` lists from 1 to {WHOLE_MAX:,} durations")
        return None
    offsets: list[int] = []
    for item in node.items:
        offset = read_duration_node(item, faults, what="`linger`")
        if offset is None:
            continue
        if offsets and offset <= offsets[-1]:
            faults.add(item, "the durations of `linger` ascend: each is longer than the one before")
        offsets.append(offset)
    return Linger(tuple(offsets))


def _repeated(node: Mapping, faults: Faults) -> Linger | None:
    fields = Fields(node, faults, what="`linger`", known=("after", "every", "times"))
    if "after" not in fields:
        faults.add(node, "`linger` needs `after`: how long after the visit began it is first due")
    after, every = fields.duration("after"), fields.duration("every")
    times = _times(fields)
    if after is None or times == 0:
        return None
    every_ms = after if every is None else every
    if times != 1 and every_ms < MINUTE_MS:
        default = "" if "every" in fields else " (it is as long as `after` where it is not written)"
        message = f"`every` must be at least a minute where more than one linger is due{default}"
        faults.add(fields.key("every" if "every" in fields else "after"), message)
    if times == 1 and "every" in fields:
        faults.add(
            fields.key("every"),
            "`every` changes nothing where only one linger is due: `times` says how many are",
            severity="warning",
        )
    return _written_out(fields, after=after, every_ms=every_ms, times=times)


def _written_out(fields: Fields, *, after: int, every_ms: int, times: int | None) -> Linger | None:
    if times is None:
        return Linger((after,), every_ms)
    if after + (times - 1) * every_ms > INSTANT_MAX:
        fields.faults.add(fields.key("times"), f"the last linger would be due after more than {INSTANT_MAX:_}ms")
        return None
    return Linger(tuple(after + place * every_ms for place in range(times)))


def _times(fields: Fields) -> int | None:
    """How many; None for ever; 0 when it is wrong."""
    node = fields.mapping.get("times")
    if isinstance(node, Scalar) and node.value == "forever":
        return None
    if isinstance(node, Scalar) and isinstance(node.meaning, str) and node.meaning:
        message = f"`times` is a whole number up to {WHOLE_MAX:,}, or `forever`"
        fields.faults.add(node, message, suggestion=nearest(node.meaning, ("forever",)))
        return 0
    if "times" not in fields:
        return 1
    return fields.whole("times", least=1) or 0


def read_re_enter(fields: Fields) -> int | None:
    """0 for `always` (also when wrong), None for `never`, else the milliseconds of `{after: D}`."""
    node = fields.node("re_enter")
    if node is None:
        return 0
    if isinstance(node, Mapping):
        inner = Fields(node, fields.faults, what="`re_enter`", known=("after",))
        if "after" not in inner:
            fields.faults.add(node, "`re_enter` needs `after`, as in `{after: 30d}`")
        return inner.duration("after") or 0
    text = node.value if isinstance(node, Scalar) else ""
    if text not in ("always", "never"):
        message = "`re_enter` is `always`, `never`, or `{after: 30d}`"
        meant = f"{{after: {text}}}" if is_quantity(text) and not text.isdigit() else _WORDS.get(text.lower())
        fields.faults.add(node, message, suggestion=meant or nearest(text, ("always", "never")))
    return None if text == "never" else 0
