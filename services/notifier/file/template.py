"""Templates of a campaign file: written there, or in a file beside it; every fault with its place.

`text: hello.liquid` names a file of the campaign file's own folder (or deeper, never outside it), any other text is the
template itself. A template may begin with a line `Subject: ..`, as a mail does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from services.notifier.campaign.template import Faulted, Markup, Template, compile_template
from shared.document.nodes import Fault, Faults, Node, Scalar, Source

FILE_ENDING = ".liquid"

# The line of the subject, and the empty line after it that a mail has between head and body.
_HEAD = re.compile(r"Subject:[ \t]*([^\r\n]*)(?:\r\n|\r|\n|$)(?:[ \t]*(?:\r\n|\r|\n))?")


@dataclass(frozen=True, slots=True)
class TemplateText:
    """The text of a template and where it stands: a fault at `begin` characters into it is `faulted`'s to make."""

    text: str
    faulted: Faulted

    def after(self, begin: int) -> TemplateText:
        """The rest of it."""
        return TemplateText(
            self.text[begin:],
            lambda offset, shown, message, suggestion: self.faulted(begin + offset, shown, message, suggestion),
        )

    def until(self, end: int) -> TemplateText:
        """The beginning of it."""
        return TemplateText(self.text[:end], self.faulted)

    def compiled(self, faults: Faults, *, markup: Markup) -> Template | None:
        """The checked template, or None when something is wrong with it."""
        return compile_template(self.text, faults, markup=markup, faulted=self.faulted)


def read_template_text(node: Node, faults: Faults, *, of: str) -> TemplateText | None:
    """The text of a node or of the file that it names; None when there is none (and that has been reported)."""
    if not isinstance(node, Scalar) or not node.value.strip():
        faults.add(node, f"{of} is a template, or the name of a file that ends in `{FILE_ENDING}`")
        return None
    if not is_file_name(node.value):
        return TemplateText(node.value, _written_in(node))
    return _read_file(node, faults, of=of)


def is_file_name(text: str) -> bool:
    """Whether a text names a template file: one word that ends as they do."""
    return text.strip().endswith(FILE_ENDING) and "\n" not in text.strip() and "{" not in text


def split_subject(whole: TemplateText) -> tuple[TemplateText | None, TemplateText]:
    """The subject that a template begins with (None: it has none), and the rest."""
    head = _HEAD.match(whole.text)
    if head is None:
        return None, whole
    return whole.until(head.end(1)).after(head.start(1)), whole.after(head.end())


def _written_in(node: Scalar) -> Faulted:
    def faulted(offset: int, shown: str, message: str, suggestion: str | None) -> Fault:
        start, end = node.span_of(offset, max(1, len(shown)))
        return node.source.fault(start, message, text=node.source.text[start:end], suggestion=suggestion)

    return faulted


def _standing_in(source: Source) -> Faulted:
    def faulted(offset: int, shown: str, message: str, suggestion: str | None) -> Fault:
        return source.fault(offset, message, text=shown, suggestion=suggestion)

    return faulted


def _read_file(node: Scalar, faults: Faults, *, of: str) -> TemplateText | None:
    folder = Path(node.source.file).parent
    path = folder / node.value.strip()
    if not path.resolve().is_relative_to(folder.resolve()):
        faults.add(node, f"{of} names a file outside the folder of this one")
        return None
    try:
        text = path.read_text(encoding="utf-8").removeprefix("\ufeff")
    except OSError as error:
        faults.add(node, f"{of} names a file that cannot be read: {error.strerror}")
        return None
    except UnicodeDecodeError as error:
        faults.add(node, f"{of} names a file that is not UTF-8 text: byte {error.start} is wrong")
        return None
    return TemplateText(text, _standing_in(Source.of(text, file=str(path))))
