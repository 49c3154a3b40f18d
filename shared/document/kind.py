"""What a document of a file is, by the key that names it: so that exactly one reader judges each document."""

from __future__ import annotations

from shared.document.nodes import Faults, Mapping, Node, nearest

KINDS = ("lifecycle", "segment", "campaign", "subscription")  # of which each has a name
STORY = "story"

_KEYS_LOOKED_AT = 20  # for a misspelt kind: it stands at the top, where people look too


def kind_of(document: Node) -> str | None:
    """The kind that a document has, or means by a misspelt key; None when it is not clear, see `report_kind`."""
    if not isinstance(document, Mapping):
        return None
    if is_story(document):
        return STORY
    written = [key.value for key, _ in document.entries if key.value in KINDS]
    if sorted(written) == ["lifecycle", "subscription"]:
        return "subscription"  # its `lifecycles` may be misspelt
    if written:
        return written[0] if len(written) == 1 else None
    for key, _ in document.entries[:_KEYS_LOOKED_AT]:
        if near := nearest(key.value, (*KINDS, STORY)):
            return near if near in KINDS else None
    return None


def is_story(document: Node) -> bool:
    """Whether a document is a story, which `stageline test` reads; it may name its `lifecycle`, also before."""
    if not isinstance(document, Mapping):
        return False
    named = [key.value for key, _ in document.entries if key.value in (STORY, *KINDS)]
    is_about = named == ["lifecycle", STORY] and document.get("steps") is not None and document.get("stages") is None
    return named[:1] == [STORY] or is_about


def report_kind(document: Node, faults: Faults) -> None:
    """Say why a document is of no kind. Every reader says the same, so it stands there once."""
    kinds = [key for key, _ in document.entries if key.value in KINDS] if isinstance(document, Mapping) else []
    if kinds:
        said = " and ".join(f"`{key.value}`" for key in kinds)
        faults.add(kinds[1], f"a document is one thing, but this is {said}", text=kinds[1].value)
        return
    for key, _ in document.entries[:_KEYS_LOOKED_AT] if isinstance(document, Mapping) else ():
        if nearest(key.value, (STORY,)):
            faults.add(key, f"a document has no key `{key.value}`", text=key.value, suggestion=STORY)
            return
    faults.add(document, "a document begins with `lifecycle: NAME`, `segment: NAME` or `campaign: NAME`")
