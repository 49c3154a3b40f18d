"""YAML files of ours: nodes that know their place, and faults instead of exceptions."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.document import Fault, Faults, Mapping, Scalar, nearest
from shared.document_reader import DEPTH_MAX, read_text


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
        ("a: &x 1", 1, 4, "anchors are not used"),
        ("a: *x", 1, 4, "aliases are not used"),
        ("a: !x 1", 1, 4, "tags are not used"),
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


def test_documents_before_a_syntax_error_are_still_returned() -> None:
    documents, faults = read_text("a: 1\n---\nb: [", file="f.yaml")

    assert (len(documents), len(faults)) == (1, 1)


def test_a_fault_shows_its_line_with_a_caret_and_a_suggestion() -> None:
    fault = Fault("f.yaml", 3, 5, "no such thing", "ordres", nearest("ordres", ["orders", "last"]), "if: ordres")

    assert fault.render() == (
        "f.yaml:3:5: error: no such thing (did you mean `orders`?)\n  | if: ordres\n  |     ^^^^^^"
    )


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"%@`#?\\ \n\t\r\x850~\ud800éxuU"), max_size=60))
@example("%YAML 1." + "9" * 5000 + "\n---\na")
@example("? ? a")
def test_no_text_makes_the_reader_raise(text: str) -> None:
    _, faults = read_text(text, file="f.yaml")

    for fault in faults:
        assert fault.line >= 1
        assert fault.column >= 1
        fault.render().encode()
