"""An import that is sent again: which of its lines are in the log as they stand, and which are to be judged.

Promise: a line is passed over only when it was sent before with the same content, or as the event with the same id;
a line that was refused is judged again; what differs from what was sent before is refused as another import.
Everything that is kept is bounded, and a file of any length costs a few kilobytes.
"""

from __future__ import annotations

from zlib import crc32

import msgspec

from services.ingest.admission.admit import Intake, admit_item
from services.ingest.imports.ledger import Done, Ledger, Mark, Note
from services.ingest.limits import IMPORT_APART_MAX, IMPORT_MARKS_MAX, IMPORT_NOTE_LINES
from services.ingest.refusal import Code, Rejected

_FOLD_LINES = 64  # are added to the check at once: line by line it would cost a twentieth of the import

# For an event's id alone: it depends neither on who sent it nor on when.
_ANYBODY = Intake("", 0, kind_default="track", historical=True)


class ImportGap(Rejected):
    """A body does not join what was sent before; `line` is up to where all is done, the next one joins."""

    def __init__(self, first_line: int, *, line: int) -> None:
        message = f"line {first_line} does not join what was sent before: go on from line {line + 1}"
        super().__init__(Code.IMPORT_GAP, message, field="line")
        self.line = line


class Resumption:
    """One import under its Idempotency-Key.

    The check is a CRC-32 over all lines that were taken as they came, in order: it can be gone on with from any note,
    which no hash of hashlib can. One changed file in four billion passes for the same; nobody gains by finding it.
    """

    def __init__(self, name: str, ledger: Ledger, done: Done) -> None:
        self.name = name
        self._ledger = ledger
        self._note = done.note
        self._more = done.more
        self._more_left = len(done.more)
        self._last_line = max([done.note.line, *done.more])
        self._first_line = 1
        self._check: int | None = 0
        self._unfolded: list[bytes] = []
        self._marks = list(done.note.marks)
        self._marks_ahead: list[Mark] = []
        self._apart = dict(done.note.apart)
        self._vague_line = done.note.vague_line
        self._acknowledged = done.note
        self._noted_line = done.note.line
        self._is_empty = not self._last_line
        self._is_ended = done.note.ended

    @property
    def is_ended(self) -> bool:
        """Whether the import's end is in the log, and nothing of it after that."""
        return self._is_ended

    def join(self, first_line: int) -> None:
        """Begin with this line. Errors: ImportGap when it is not the one after a place that is known."""
        note, before = self._note, first_line - 1
        known = {0: 0, **dict(note.marks)}
        is_trusted = not note.marks and before <= note.line  # a note of an older version says no more
        if before not in known and not is_trusted:
            places = known if note.marks else [0, note.line]
            raise ImportGap(first_line, line=max(place for place in places if place < first_line))
        self._first_line = first_line
        self._check = known.get(before)
        self._marks_ahead = [mark for mark in reversed(note.marks) if mark[0] > before]

    def passes(self, line: int, text: bytes) -> bool:
        """Whether the line is in the log. To be asked for every line. Errors: Rejected when it is another import."""
        if line > self._last_line + 1:
            return False
        self._verify(line - 1)
        if line in self._more:
            return self._passes_as_event(line, text)
        if line > self._note.line or not text.strip():
            return False
        if line in self._apart:
            return self._passes_alone(line, text)
        if self._vague_line and line >= self._vague_line:
            return False
        self._fold(text)
        return True

    def _passes_as_event(self, line: int, text: bytes) -> bool:
        event_id = _event_id(text)
        if event_id is None or crc32(event_id.encode()) != self._more[line]:
            raise _differs(f"line {line}")
        self._more_left -= 1
        self.take(line, text)
        return True

    def _passes_alone(self, line: int, text: bytes) -> bool:
        check = self._apart[line]
        if check is not None and check != crc32(text):
            raise _differs(f"line {line}")
        return check is not None

    def take(self, line: int, text: bytes) -> bool:
        """The line is an event. Whether it is a new one: where not every refused line is known, any may be there.

        One that was refused before stands apart from the check, which it was not part of.
        """
        self._is_empty = False
        if line in self._apart:
            self._apart[line] = crc32(text)
            return True
        self._fold(text)
        return line > self._note.line

    def refuse(self, line: int) -> None:
        """The line is refused: it is to be judged again when it comes again."""
        if line <= self._note.line:
            return
        if len(self._apart) < IMPORT_APART_MAX:
            self._apart[line] = None
        elif not self._vague_line:
            self._vague_line = line

    def finish(self, line: int) -> None:
        """Nothing follows the line. Errors: Rejected when it is another import, or too little of it to be sure."""
        self._verify(line)
        known = {self._first_line - 1, *(mark for mark, _ in self._note.marks)}
        if self._note.marks and line < self._note.line and line not in known:
            raise _differs(f"what ends with line {line}, of {self._note.line} that were sent,")

    def acknowledge(self, line: int) -> None:
        """All up to this line is in the log, was there before, or was refused.

        As long as records behind the note have not been passed, whoever goes on has to look from the same place.
        """
        ends = self._note.ends if self._more_left else {}
        check = self._folded()
        marks = self._marks if check is None else [*self._marks, (line, check)][-IMPORT_MARKS_MAX:]
        self._acknowledged = Note(line, ends, marks=marks, apart=dict(self._apart), vague_line=self._vague_line)

    async def reopen(self) -> None:
        """To be called before anything is appended: an import whose end is noted is not looked for in the log."""
        if self._is_ended:
            await self._ledger.write(self.name, msgspec.structs.replace(self._note, ends={}, ended=False))
            self._is_ended = False

    async def note_now_and_then(self) -> None:
        """Remember how far it is, so that going on has little to look through. Errors: Unavailable."""
        if self._acknowledged.line - self._noted_line >= IMPORT_NOTE_LINES:
            await self.note()

    async def note(self, *, is_end: bool = False) -> None:
        """Remember what is acknowledged. Errors: Unavailable.

        Never less than is known, and not while every line was refused: then nothing needs to be told apart when the
        mended ones come.
        """
        note = self._acknowledged
        if self._is_empty or note is self._note or note.line < self._note.line:
            return
        is_end = is_end and not note.ends
        await self._ledger.write(self.name, msgspec.structs.replace(note, ended=is_end))
        self._noted_line = note.line
        self._marks = note.marks
        self._is_ended = is_end

    def _verify(self, line: int) -> None:
        """Hold what has come up to this line to what was sent before."""
        while self._marks_ahead and self._marks_ahead[-1][0] <= line:
            mark, check = self._marks_ahead.pop()
            if self._folded() not in (None, check):
                raise _differs(f"something up to line {mark}")

    def _fold(self, text: bytes) -> None:
        self._unfolded.append(text)
        if len(self._unfolded) == _FOLD_LINES:
            self._folded()

    def _folded(self) -> int | None:
        if self._unfolded:
            if self._check is not None:
                self._check = crc32(b"\n".join([*self._unfolded, b""]), self._check)
            self._unfolded.clear()
        return self._check


def _event_id(text: bytes) -> str | None:
    """The id of the event that a line is; None when it would be refused."""
    try:
        return admit_item(text, _ANYBODY).id
    except Rejected:
        return None


def _differs(what: str) -> Rejected:
    message = f"{what} differs from what was sent under this Idempotency-Key: another file needs another key"
    return Rejected(Code.IMPORT_DIFFERS, message, field="Idempotency-Key")
