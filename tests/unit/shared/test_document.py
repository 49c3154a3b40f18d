"""YAML files of ours: nodes that know their place, and faults instead of exceptions."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.document.builder import DEPTH_MAX
from shared.document.nodes import Fault, Faults, Listing, Mapping, Node, Scalar, nearest
from shared.document.reader import read_text


def value_of(text: str) -> Scalar:
    (document,), faults = read_text(text, file="f.yaml")
    assert not faults
    assert isinstance(document, Mapping)
    node = document.entries[0][1]
    assert isinstance(node, Scalar)
    return node


def only_fault(text: str) -> Fault:
    _, (fault,) = read_text(text, file="f.yaml")
    return fault


@pytest.mark.parametrize(
    "text",
    [
        'a: "x\\"y z"',
        "a: 'it''s z'",
        "a: x\n   z",
        "a: |\n  x y\n   z\n",
        "a: >-\n  x\n\n  z\n",
        'a: "x\\\n   z"',
        'a: "x\\u00e9z"',
        "a: x in [z]",
        "\r\na: x\r\n  z",
    ],
)
def test_a_character_of_a_value_is_found_again_in_the_file(text: str) -> None:
    scalar = value_of(text)

    assert text[slice(*scalar.span_of(scalar.value.index("z")))] == "z"


@pytest.mark.parametrize(("text", "offset"), [('a: "xz"', 6), ("a: xz", 5), ("a: |\n  xz", 9)])
def test_an_offset_after_the_end_stands_just_after_the_last_character(text: str, offset: int) -> None:
    scalar = value_of(text)

    assert scalar.span_of(99) == (offset, offset)


def test_a_fault_shows_the_text_as_it_stands_in_the_file() -> None:
    faults = Faults()
    scalar = value_of('a: "x \\"y\\" z"')

    faults.add(scalar, "no such thing", offset=2, text='"y"')

    assert faults.in_order()[0].text == '\\"y\\"'


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("12", 12),
        ("1.5", 1.5),
        ("'12'", "12"),
        ("null", None),
        ("", None),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(text: str, meaning: object) -> None:
    assert value_of(f"a: {text}").meaning == meaning


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ('a: {count: X, where: contains(tags, "b")}', 1, 40, "YAML itself claims commas and brackets"),
        ('a: "x" == y', 1, 8, "the whole of it in quotes"),
        ("a: 1\na: 2", 2, 1, "stands here twice"),
        ("a: 'x\nb: 2", 1, 4, "never closed"),
        ("a:\n\tb: 1", 2, 1, "tab"),
        ("a: *x", 1, 4, "must stand in quotes"),
        ("a: &x [*x]", 1, 8, "within what it names"),
        ("a: !x 1", 1, 4, "does not fit"),
        ("a: !!int x", 1, 4, "does not fit"),
        ("a: !!set {b}", 1, 4, "does not fit"),
        ("a: 1\nb\nc: 2", 2, 1, "`:` is missing"),
        ("[" * (DEPTH_MAX + 1), 1, DEPTH_MAX + 1, "levels"),
        ("a: \ud800", 1, 4, "half a character"),
        ('a: "\\ud800"', 1, 4, "half a character"),
        ("\ufeffa: \x00", 1, 4, "U+0000"),
        ('"\\U99999999"', 1, 1, "not YAML"),
    ],
)
def test_what_is_no_yaml_of_ours_is_a_fault_with_its_place(text: str, line: int, column: int, part: str) -> None:
    fault = only_fault(text)

    assert (fault.line, fault.column) == (line, column)
    assert part in fault.message


def test_the_documents_beside_one_that_cannot_be_read_are_still_returned() -> None:
    documents, faults = read_text("a: 1\n---\nb\nc: 1\n---\n[a]: b: c\n---\nd: 1", file="f.yaml")

    assert [document.start for document in documents] == [0, 34]
    assert [(fault.line, fault.column) for fault in faults] == [(3, 1), (6, 7)]


def test_a_value_that_cannot_be_read_leaves_its_neighbours_in() -> None:
    text = 'a: [x\nb:\n  - c: "d" == 1\n    e: |\n     f\n  - {c: g(h, "i"),\n     j: k}\nl: {m}}\nn: 1\n'
    (document,), faults = read_text(text, file="f.yaml")

    assert [(fault.line, fault.column) for fault in faults] == [(1, 4), (3, 12), (6, 17), (8, 7)]
    assert isinstance(document, Mapping)
    assert [text[key.start : key.end] for key, _ in document.entries] == ["a", "b", "l", "n"]


def test_nothing_is_said_of_a_value_that_could_not_be_read_but_that_something_is_wrong() -> None:
    (document,), _ = read_text("a: [x\n", file="f.yaml")
    faults = Faults()

    faults.add(document, "a consequence")

    assert faults.has_errors
    assert faults.in_order() == []


@pytest.mark.parametrize(
    ("text", "line", "column", "part"),
    [
        ('a: "x\nb: "y"\n', 1, 4, "closed only in line 2"),
        ("a: {b: x\nc: {d: y}\n", 1, 4, "`{` is never closed"),
        ("a: [b, {c: d]\n", 1, 8, "`{` is never closed"),
        ("a: {b: 'x}\nc: it's\n", 1, 8, "closed only in line 2"),
        ("b #: c\n", 2, 1, "what stands before"),
        ("a: {b: x #y}\n", 1, 4, "begins a comment"),
        ('a: {b: x == "y]"}\n', 1, 15, "YAML itself claims"),
        ("a: {b: x}}\n", 1, 10, "closes nothing"),
        ("a: {b: x within: 7d}\n", 1, 16, "a comma is missing before `within`"),
        ("a: {b: c: d}\n", 1, 9, "must stand in quotes"),
        ("a: {count: *}\n", 1, 12, '`count: "*"`'),
        ("a: *b > 3\n", 1, 4, "begins with `*` must stand in quotes"),
        ("a: [b] == 3\n", 1, 8, "after a closing bracket"),
        ("a: - b < 3\n", 1, 4, "begins with `- `"),
        ('a: "b" > 3\n', 1, 8, "after a closing quote"),
        ("a: b > 1 # c\n  and d\n", 2, 3, "comment in the line above"),
        ("a:\n  - b:c\n    d: e\n", 2, 5, "a space is missing"),
        ("a:\n  - b c\n    d: e\n", 2, 5, "a `:` is missing"),
        ("a: b: c\n", 1, 5, "`:` is not expected"),
    ],
)
def test_what_the_parser_stumbles_over_is_said_once(text: str, line: int, column: int, part: str) -> None:
    fault = only_fault(text + "z: 1\n")

    assert (fault.line, fault.column) == (line, column)
    assert part in fault.message


@pytest.mark.parametrize(
    "text",
    [
        "a:\n\tb: k\n\tc: z",
        "a:\n\t- b: k\n\t\tc: z",
        "a:\n  - b: k\n\tc: z",
        "a:\n\tb:\n\t\tc: z",
        "a:\n  \tb: x\n  c: z",
    ],
)
def test_what_tabs_indent_is_read_all_the_same_with_its_places(text: str) -> None:
    (document,), (fault,) = read_text(text, file="f.yaml")
    assert isinstance(document, Mapping)
    node: Node = document
    while not isinstance(node, Scalar):
        node = node.items[-1] if isinstance(node, Listing) else node.entries[-1][1]

    assert "a tab cannot indent" in fault.message
    assert text[node.start : node.end] == "z"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a:\tz", "z"),
        ("a: z\t", "z"),
        ("a: z\t# c", "z"),
        ("a: y\tz", "y\tz"),
        ("a: y\n \tz", "y z"),
        ("\t# c\na: z\n\t\n", "z"),
        ('a: "z"\t', "z"),
        ("a: |\t\n  z", "z"),
        ("a: |-\t# c\n  z\t\n", "z\t"),
        ("\ufeff\n\ufeffa: z", "z"),
    ],
)
def test_a_tab_that_indents_nothing_is_white_space(text: str, value: str) -> None:
    assert value_of(text).value == value


@pytest.mark.parametrize(
    ("text", "meaning"), [("!!str 12", "12"), ("! 12", "12"), ("!!int 12", 12), ("!!bool true", True), ("&x 12", 12)]
)
def test_the_tags_of_the_core_schema_and_anchors_mean_what_yaml_says(text: str, meaning: object) -> None:
    scalar = value_of(f"a: {text}")

    assert scalar.meaning == meaning
    assert scalar.source.text[scalar.start : scalar.end] == text.split()[1]


def test_an_alias_is_what_it_names() -> None:
    (document,), faults = read_text("a: &x {b: [1]}\nc: *x", file="f.yaml")

    assert isinstance(document, Mapping)
    assert not faults
    assert document.entries[1][1] is document.entries[0][1]


def test_aliases_do_not_make_a_small_file_large() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    _, faults = read_text("\n".join(lines), file="f.yaml")

    assert all("aliases of this document repeat" in fault.message for fault in faults)
    assert faults[0].line == 5


def test_a_fault_shows_its_line_with_a_caret_and_a_suggestion() -> None:
    fault = Fault("f.yaml", 3, 5, "no such thing", "ordres", nearest("ordres", ["orders", "last"]), "if: ordres")

    assert fault.render() == (
        "f.yaml:3:5: error: no such thing (did you mean `orders`?)\n  | if: ordres\n  |     ^^^^^^"
    )


@pytest.mark.parametrize(
    ("before", "text", "cells", "carets"),
    [
        ("a: ", "b", 3, 1),
        ("日本: ", "語", 6, 2),
        ("e\u0301: ", "e\u0301", 3, 1),
        ("\u200b: ", "b", 8, 1),
        ("😀: ", "😀", 4, 2),
        ("ＡＢ", "b", 4, 1),
        ("\x07", "\x1b", 4, 4),
    ],
)
def test_the_caret_stands_under_its_text_whatever_the_width(before: str, text: str, cells: int, carets: int) -> None:
    rendered = Fault("f.yaml", 1, len(before) + 1, "no", text, source_line=before + text).render()

    assert rendered.splitlines()[2] == "  | " + " " * cells + "^" * carets


def test_a_tab_before_the_text_is_one_before_the_caret() -> None:
    assert Fault("f.yaml", 1, 3, "no", "b", source_line="a\tb").render().splitlines()[2] == "  |  \t^"


def test_what_would_move_the_cursor_is_shown_as_an_escape() -> None:
    shown = Fault("f.yaml", 1, 1, "no `\x1b[2J\n\u202e`", "x", source_line="\x1b[2J\u2028").render()

    assert shown == "f.yaml:1:1: error: no `\\x1b[2J\\x0a\\u202e`\n  | \\x1b[2J\\u2028\n  | ^"


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?\\ \n\t\r\x850~\ud800éxuU"), max_size=60))
@example("%YAML 1." + "9" * 5000 + "\n---\na")
@example("? ? a")
@example("a: [b\n]: }\n\tc: '")
def test_no_text_makes_the_reader_raise(text: str) -> None:
    _, faults = read_text(text, file="f.yaml")

    for fault in faults:
        assert fault.line >= 1
        assert fault.column >= 1
        fault.render().encode()
