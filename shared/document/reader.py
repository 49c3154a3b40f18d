"""From YAML text to nodes that know their place (`shared/document/nodes.py`), or to faults; never to an exception.

Built on ruamel.yaml's events, so that nothing is resolved behind our back: no merge keys, no second meaning of a key.
Where the parser stumbles over a value, that value becomes a hole and the rest of the document is read all the same;
where that cannot be done the document is left out, and its neighbours are still returned.
"""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from shared.document.builder import DEPTH_MAX, HALF, Builder, TooDeep, Unusable
from shared.document.draft import Draft, drafts_of
from shared.document.nodes import Fault, Node, Source, in_order
from shared.document.scanner import TabScanner
from shared.document.syntax import Stumble, stumble_of

FILE_CHARACTERS_MAX = 1_000_000  # a hundred times the largest file anybody writes by hand; parses in a few seconds
HOLES_MAX = 20  # of a document: who has made more such mistakes begins with these
MENDED_CHARACTERS_MAX = 200_000  # a longer document is not parsed again and again

_TAB_WIDTHS = (2, 4, 8, 1, 0)  # what a tab was meant to indent by, likeliest first
_STUMBLES = (
    ValueError, OverflowError, RecursionError, IndexError, AttributeError, AssertionError, KeyError, TypeError,
)  # fmt: skip


def read_text(text: str, *, file: str) -> tuple[list[Node], list[Fault]]:
    """The documents of a YAML text, empty ones left out, and what is wrong with it as YAML."""
    whole = HALF.sub("\ufffd", text.removeprefix("\ufeff"))
    source = Source.of(whole, file=file)
    if half := HALF.search(text.removeprefix("\ufeff")):
        return [], [source.fault(half.start(), "half a character (a lone surrogate) may not stand in a YAML file")]
    if len(text) > FILE_CHARACTERS_MAX:
        return [], [source.fault(0, f"the file is longer than {FILE_CHARACTERS_MAX:,} characters")]
    documents: list[Node] = []
    faults: list[Fault] = []
    for draft in drafts_of(source):
        document, wrong = _read(draft)
        documents += [document] if document is not None else []
        faults += wrong
    return documents, in_order(faults)


def _read(draft: Draft) -> tuple[Node | None, list[Fault]]:
    """A document with holes where the parser stumbled, or None where it could not go on; and over what it stumbled."""
    faults: list[Fault] = []
    builder, stumble = _parse(draft)
    for _ in range(HOLES_MAX + 1):
        if stumble is None:
            return builder.document, [*faults, *builder.faults.in_order()]
        if not stumble.may_follow:
            faults.append(stumble.fault)
        if len(draft.text) > MENDED_CHARACTERS_MAX:
            return None, faults
        mended = _mended(draft, stumble)
        if mended is None:
            return None, faults
        before, draft = stumble.row, mended
        builder, stumble = _parse(draft)
        if stumble is not None and (stumble.row <= before or draft.line(stumble.row).lstrip()[:1] in ("]", "}")):
            return None, faults  # the mending did not help, or tore a bracket from its other half
    return None, faults


def _mended(draft: Draft, stumble: Stumble) -> Draft | None:
    if not stumble.is_tab:
        return draft if stumble.in_value and draft.dig(stumble.row) else None
    wider = [draft.with_tabs_as(width) for width in _TAB_WIDTHS]
    stumbles = [(candidate, _parse(candidate)[1]) for candidate in wider]
    fits = [candidate for candidate, again in stumbles if again is None]
    gets_on = [candidate for candidate, again in stumbles if again and again.in_value and again.row > stumble.row]
    return next(iter(fits + gets_on), None)


def _parse(draft: Draft) -> tuple[Builder, Stumble | None]:
    builder = Builder(draft.source, draft.place)
    parser = YAML(typ="safe", pure=True)
    parser.Scanner = TabScanner
    try:
        for event in parser.parse(draft.text):
            builder.take(event)
    except TooDeep:
        message = f"more than {DEPTH_MAX} levels inside one another"
        return builder, Stumble(draft.source.fault(builder.at, message), 0, in_value=False)
    except Unusable as error:
        return builder, Stumble(error.fault, draft.row_of(error.mark.index), may_follow=error.may_follow)
    except YAMLError as error:
        return builder, stumble_of(draft, builder, error)
    except _STUMBLES as error:
        # Some malformed files make the parser itself stumble (a bad escape, a version of no number).
        return builder, Stumble(draft.source.fault(builder.at, f"this is not YAML: {error}"), 0, in_value=False)
    return builder, None
