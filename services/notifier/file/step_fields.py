"""The steps of a campaign file: which keys each channel takes, and what is said about a wrong one.

What a channel takes stands in its own kind (`channels.py`): this module knows none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from services.notifier.campaign.fields import check_keys, read_choice, require
from services.notifier.campaign.step import Step
from services.notifier.campaign.template import Template
from services.notifier.channel.kind import ChannelKind
from services.notifier.channel.registry import KINDS
from services.notifier.file.template import FILE_ENDING, read_template_text, split_subject
from shared.document.nodes import Fault, Faults, Mapping, Node, Scalar, nearest

EVERY_STEP = ("channel", "fallback")  # `fallback` is the campaign's to read, not the channel's


def read_step(node: Node, faults: Faults) -> Step | None:
    """A step, or None when something in it is wrong (and has been reported)."""
    if not isinstance(node, Mapping):
        faults.add(node, "a step is a mapping such as `channel: console`")
        return None
    names = {str(kind.name): kind for kind in KINDS}
    word = read_choice(require(node, "channel", faults, of="a step"), names, faults, of="`channel`")
    if word is None:
        return None
    kind, found = names[word], Faults()
    check_keys(node, _keys(kind), found, of=_named(kind))
    target = _read_target(node, kind, found)
    parts = dict(_read_parts(node, kind, found))
    _check_required(node, kind, parts, found)
    faults.include(*found.in_order())
    is_wrong = target is None or any(fault.severity == "error" for fault in found.in_order())
    return None if is_wrong else Step(kind.name, target or "", parts)


def unknown_metrics(step: Step, carried: Collection[str]) -> list[Fault]:
    """A fault for each metric that a template names and the lifecycle does not carry."""
    faults = Faults()
    for template in step.parts.values():
        for name, offset in template.metrics.items():
            if name not in carried:
                message = f"the lifecycle does not carry `{name}`: name it in its `carry`"
                faults.include(template.faulted(offset + len("metrics."), name, message, nearest(name, carried)))
    return faults.in_order()


def _named(kind: ChannelKind) -> str:
    return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name} step"


def _keys(kind: ChannelKind) -> list[str]:
    own = [kind.target_key] if kind.target_key else []
    return [*EVERY_STEP, *own, *kind.parts, *(["template"] if kind.parts else [])]


def _read_target(node: Mapping, kind: ChannelKind, faults: Faults) -> str | None:
    if kind.target_key is None:
        return ""
    given = node.get(kind.target_key)
    if given is None and kind.needs_target:
        require(node, kind.target_key, faults, of=_named(kind))
        return None
    return kind.read_target(given, faults)


def _read_parts(node: Mapping, kind: ChannelKind, faults: Faults) -> Iterator[tuple[str, Template]]:
    for name, markup in kind.parts.items():
        given = node.get(name)
        text = None if given is None else read_template_text(given, faults, of=f"`{name}`")
        template = None if text is None else text.compiled(faults, markup=markup)
        if template is not None:
            yield name, template
    whole = node.get("template")
    if whole is not None and kind.parts:
        yield from _read_whole(whole, kind, faults)


def _read_whole(node: Node, kind: ChannelKind, faults: Faults) -> Iterator[tuple[str, Template]]:
    """The parts of `template`: the channel's main one, after a line `Subject: ..` where the channel has a subject."""
    text = read_template_text(node, faults, of="`template`")
    if text is None:
        return
    subject, rest = split_subject(text) if "subject" in kind.parts else (None, text)
    is_html = isinstance(node, Scalar) and node.value.strip().endswith(f".html{FILE_ENDING}")
    main = "html" if is_html and "html" in kind.parts else next(iter(kind.parts))
    for name, part in (("subject", subject), (main, rest)):
        template = None if part is None else part.compiled(faults, markup=kind.parts[name])
        if template is not None:
            yield name, template


def _check_required(node: Mapping, kind: ChannelKind, parts: Collection[str], faults: Faults) -> None:
    at = node.entries[0][0] if node.entries else node
    for names in kind.required:
        given = {key.value for key, _ in node.entries}
        if not given & {*names, "template"} and not set(names) & set(parts):
            listed = " or ".join(f"`{name}`" for name in (*names, "template"))
            faults.add(at, f"{_named(kind)} needs {listed}")
