"""Tables as people save them are read, or told line by line what is wrong with them."""

import codecs
import contextlib
import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slidescreen.data.delimited import Table, column_name, excerpt, number, read_table
from slidescreen.errors import InputError

WANTED = ("file", "label")
PLAIN = "file,label\nzelle_ä.jpg,Monocyte\nb.jpg,Basophil\n"
ROWS = [{"file": "zelle_ä.jpg", "label": "Monocyte"}, {"file": "b.jpg", "label": "Basophil"}]


def table(folder: Path, content: str | bytes) -> Table:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, WANTED)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end_gives_the_same_rows(tmp_path: Path, encoding: str, ends: str) -> None:
    assert list(table(tmp_path, PLAIN.replace("\n", ends).encode(encoding)).rows) == ROWS


def test_utf_16_of_the_other_byte_order_is_told_by_its_mark(tmp_path: Path) -> None:
    assert list(table(tmp_path, codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be")).rows) == ROWS


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("declared", ["", "sep={}\n", "SEP={}\r\n", '"sep={}"\n'])
def test_the_separator_is_found_or_declared(tmp_path: Path, separator: str, declared: str) -> None:
    text = declared.format(separator) + PLAIN.replace(",", separator)
    found = table(tmp_path, text)
    assert list(found.rows) == ROWS
    assert found.separator == separator
    assert found.rows[0].line == (3 if declared else 2)


def test_a_separator_of_ones_own_can_be_declared(tmp_path: Path) -> None:
    assert list(table(tmp_path, "sep=:\n" + PLAIN.replace(",", ":")).rows) == ROWS


def test_the_separator_is_that_by_which_the_wanted_columns_are_there(tmp_path: Path) -> None:
    """Commas are the more numerous in this header, and part of a name."""
    found = table(tmp_path, "file;label;note, by whom, when\na.jpg;Monocyte;x, y, z\n")
    assert list(found.rows) == [{"file": "a.jpg", "label": "Monocyte", "note,_by_whom,_when": "x, y, z"}]


@pytest.mark.parametrize(
    "header", ["File, Label", " FILE ,lAbEl", '"file", "label"', "\ufefffile,label", "ｆｉｌｅ,label"]
)
def test_letter_case_and_spaces_of_a_header_do_not_matter(tmp_path: Path, header: str) -> None:
    found = table(tmp_path, f'{header}\na.jpg, "Blast, no lineage spec"\n')
    assert list(found.rows) == [{"file": "a.jpg", "label": "Blast, no lineage spec"}]


def test_names_of_columns_are_spelled_as_in_the_contracts() -> None:
    assert [column_name(text) for text in ("Cell Type", "p_Band neutrophil", "cell-type ")] == [
        "cell_type",
        "p_band_neutrophil",
        "cell_type",
    ]


def test_blank_rows_and_empty_columns_at_the_end_are_passed_over(tmp_path: Path) -> None:
    found = table(tmp_path, "\n\nfile,label,,\n,,,\na.jpg,Monocyte,,\n  \nb.jpg,Basophil\n,,\n")
    assert list(found.rows) == [{"file": "a.jpg", "label": "Monocyte"}, {"file": "b.jpg", "label": "Basophil"}]
    assert [row.line for row in found.rows] == [5, 7]


def test_a_first_column_without_a_name_counts_rows_and_is_passed_over(tmp_path: Path) -> None:
    assert list(table(tmp_path, ",file,label\n0,a.jpg,Monocyte\n").rows) == [{"file": "a.jpg", "label": "Monocyte"}]


def test_a_short_row_is_filled_with_nothing(tmp_path: Path) -> None:
    assert table(tmp_path, "file,label,slide\na.jpg,Monocyte\n").rows[0]["slide"] == ""


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_does_after_quoted_newlines(tmp_path: Path, ends: str) -> None:
    text = 'file,label,note\na,m,"one\ntwo\n\nfour"\nb,m,"x"\n\n"c",m,\n'.replace("\n", ends)
    found = table(tmp_path, text)
    assert [(row["file"], row.line) for row in found.rows] == [("a", 2), ("b", 6), ("c", 8)]
    assert found.rows[0]["note"] == f"one{ends}two{ends}{ends}four"


def test_a_name_with_another_kind_of_line_break_is_one_line(tmp_path: Path) -> None:
    found = table(tmp_path, "file,label\na\u2028b\x0bc.jpg,Monocyte\nd.jpg,Monocyte\n")
    assert [(row["file"], row.line) for row in found.rows] == [("a\u2028b\x0bc.jpg", 2), ("d.jpg", 3)]


def test_quotation_marks_within_a_plain_value_are_part_of_it(tmp_path: Path) -> None:
    assert table(tmp_path, 'file,label\n5" lens.jpg,Mono"cyte"\n').rows[0] == {
        "file": '5" lens.jpg',
        "label": 'Mono"cyte"',
    }


def test_a_huge_value_is_read(tmp_path: Path) -> None:
    assert len(table(tmp_path, f'file,label\na,"{"x" * 3_000_000}"\n').rows[0]["label"]) == 3_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv is empty"),
        ("\ufeff \n\n", "t.csv is empty"),
        ("sep=;\n\n", "t.csv is empty"),
        (b"PK\x03\x04\x14\0\0\0", r"t.csv is a workbook \(Excel, Calc\) or an archive, not text: save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\xc3\xa4", "is not text"),
        ("<html><table>", "is a web page or XML"),
        ("a.jpg,Monocyte\nb.jpg,Basophil\n", "lacks the column file, label: line 1, .* reads 'a.jpg, Monocyte'"),
        ("\nfile,kind\n", "lacks the column label: line 2, .* reads 'file, kind'"),
        ("file,label,Label\n", "line 1: two columns are named 'label'"),
        ('file,label\n"a,m\nb,m\n', "line 2: a quotation mark is opened and never closed"),
        ('file,label\n"x\ny",m\n\n"a"b,m\n', "line 5: a quotation mark inside a field"),
        ("file,label\n\na,Blast, no lineage spec\n", "line 3: ' no lineage spec' has no column in the header"),
        ("file,label,\na,Blast, no lineage spec\n", "line 2: ' no lineage spec' has no column in the header"),
        (
            "file,label\nä,m\n\nb\udce4,m\n".encode("utf-8", "surrogateescape"),
            "line 4: .* 0xe4 is not a character of UTF-8",
        ),
        (b"file,label\nb,m\n\x81,m\n", "line 3: the byte 0x81 is not a character of Windows-1252"),
        (
            codecs.BOM_UTF16_LE + "file,label\na,m".encode("utf-16-le")[:-1],
            "line 2: .* 0x6d is not a character of UTF-16",
        ),
    ],
)
def test_what_cannot_be_read_is_one_clear_error_with_its_line(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        table(tmp_path, content)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none.csv: No such file"):
        read_table(tmp_path / "none.csv")


def test_a_problem_of_a_row_names_file_and_line(tmp_path: Path) -> None:
    found = table(tmp_path, PLAIN)
    assert str(found.problem(found.rows[1], "no")).endswith("t.csv, line 3: no")


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("0,5", 0.5), (" 1 ", 1.0), ("8,3E-05", 8.3e-05), (",5", 0.5), ("-2.", -2.0)]
)
def test_a_number_may_have_a_decimal_comma(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999", "1.000,5", "1,000.5", "1_0", "50%", "٣"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number(text)


def test_an_excerpt_is_short_and_printable() -> None:
    assert excerpt("a\nb") == "'a\\nb'"
    assert excerpt("a" * 90 + "b" * 90) == f"'{'a' * 80}…{'b' * 80}'"


anything = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(anything, anything, anything), max_size=5),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_what_the_standard_library_writes_is_read_as_it_was(
    tmp_path: Path, rows: list[tuple[str, str, str]], separator: str, ends: str, all_quoted: bool
) -> None:
    text = io.StringIO(newline="")
    broken = any(end in value for row in rows for value in row for end in "\r\n")  # the library leaves some unquoted
    quoting = csv.QUOTE_ALL if all_quoted or broken else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=separator, lineterminator=ends, quoting=quoting)
    writer.writerow(("file", "label", "third"))
    writer.writerows(rows)
    found = table(tmp_path, text.getvalue())
    assert [tuple(row.values()) for row in found.rows] == [row for row in rows if any(v.strip() for v in row)]


marks = [b'"', b",", b";", b"\t", b"\r", b"\n", b" ", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"sep=", b"file", b"\xe4"]
pieces = st.sampled_from(marks) | st.binary(max_size=3)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pieces, max_size=25).map(b"".join), st.booleans())
def test_any_bytes_are_a_table_or_one_clear_error(tmp_path: Path, content: bytes, with_header: bool) -> None:
    with contextlib.suppress(InputError):
        found = table(tmp_path, (b"file,label\n" if with_header else b"") + content)
        lines = [row.line for row in found.rows]
        assert lines == sorted(set(lines))
        assert all(tuple(row) == found.columns for row in found.rows)
