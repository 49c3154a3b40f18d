"""ruamel.yaml's scanner with the tabs of YAML 1.2: white space like any other, except where it would indent a line."""

from __future__ import annotations

from ruamel.yaml.scanner import Scanner

_LINE_ENDS = "\r\n\x85\u2028\u2029"  # as ruamel has them
_ENDS = "\0" + _LINE_ENDS


class TabScanner(Scanner):
    """Skips tabs between tokens and within plain texts; one that indents is left, and then cannot start any token."""

    def scan_to_next_token(self) -> None:
        """Skip what separates tokens: spaces, tabs, comments and line ends."""
        while True:
            self._skip_white()
            if self.reader.peek() == "#":
                while self.reader.peek() not in _ENDS:
                    self.reader.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain_spaces(self, indent: int, _: object) -> list[str]:
        """The white space within a plain text, folded; nothing where the text ends with it."""
        length = 0
        while self.reader.peek(length) in " \t":
            length += 1
        white = self.reader.prefix(length)
        self.reader.forward(length)
        if self.reader.peek() not in _LINE_ENDS:
            return [white] if white else []
        breaks = [self.scan_line_break()]
        self.allow_simple_key = True
        while not self._is_at_document_mark():
            self._skip_white(indent=indent)
            if self.reader.peek() not in _LINE_ENDS:
                first, *rest = breaks
                return rest or [" "] if first == "\n" else [first, *rest]
            breaks.append(self.scan_line_break())
        return []

    def scan_block_scalar_indicators(self, start_mark: object) -> object:
        """What follows `|` or `>`; a tab after it is made the space that it stands for."""
        reader, length = self.reader, 0
        while reader.peek(length) in "+-0123456789":
            length += 1
        while reader.peek(length) in " \t":
            at = reader.pointer + length
            reader.buffer = f"{reader.buffer[:at]} {reader.buffer[at + 1 :]}"
            length += 1
        return super().scan_block_scalar_indicators(start_mark)

    def _skip_white(self, *, indent: int | None = None) -> None:
        """`indent` is the column from which on a plain text may go on."""
        while self.reader.peek() == " " or (self.reader.peek() == "\t" and self._may_skip_tab(indent)):
            self.reader.forward()

    def _may_skip_tab(self, indent: int | None) -> bool:
        reader = self.reader
        if self.flow_level or (indent is not None and reader.column >= indent):
            return True
        if reader.buffer[reader.pointer - reader.column : reader.pointer].strip(" \t"):
            return True
        length = 0
        while reader.peek(length) in " \t":
            length += 1
        return reader.peek(length) in "#" + _ENDS

    def _is_at_document_mark(self) -> bool:
        return self.reader.prefix(3) in ("---", "...") and self.reader.peek(3) in " \t" + _ENDS
