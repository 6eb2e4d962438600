"""What `core.text` promises of any text at all."""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import MAX_MARKS, SafeText, beside, csv_cell, safe_text, significant

# Every code point, surrogates included, with the dangerous ones more often than chance has them.
CONTROLS = "\x00\x07\x08\t\n\x0b\x0c\r\x1b\x7f\x85\x90\x9b\x9d"
HIDING = "\u200b\u200d\u200e\u202a\u202e\u2028\u2029\u2066\u2069\ufeff"
characters = st.one_of(
    st.sampled_from(CONTROLS + HIDING), st.characters(), st.characters(categories=["Mn", "Me", "Cf"])
)
texts = st.text(characters, max_size=80)
limits = st.integers(min_value=1, max_value=60)


@given(texts, limits)
def test_no_character_that_acts_or_hides_survives(raw, limit):
    shown = safe_text(raw, limit)
    assert isinstance(shown, SafeText)
    assert len(shown) <= limit
    kinds = {unicodedata.category(character) for character in shown}
    assert kinds.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    shown.encode("utf-8")  # no lone surrogate either: this would raise


@given(texts, limits)
def test_twice_is_once(raw, limit):
    once = safe_text(raw, limit)
    assert safe_text(once, limit) == once


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200))
def test_printable_ascii_stays_as_it_is(raw):
    assert safe_text(raw) == raw


@given(texts)
def test_marks_never_pile_up(raw):
    run = 0
    for character in safe_text(raw):
        run = run + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        assert run <= MAX_MARKS


def test_every_code_point_there_is():
    for start in range(0, 0x110000, 0x1000):
        shown = safe_text("".join(map(chr, range(start, start + 0x1000))), limit=60_000)
        kinds = {unicodedata.category(character) for character in shown}
        assert kinds.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2J\x1b]52;c;Zm9v\x07", "␛[2J␛]52;c;Zm9v␇"),
        ("M31\nNGC 224\r\t", "M31␊NGC 224␍␉"),
        ("\x9b31m", "<U+009B>31m"),
        ("abc\u202egnp.exe", "abc<U+202E>gnp.exe"),
        ("a\u200db", "a<U+200D>b"),
        ("a\ufe0fb", "a<U+FE0F>b"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\u0301e", "◌\u0301e"),
        ("e\u0301\u0301\u0301\u0301\u0301!", "e\u0301\u0301\u0301!"),
        ("Δm = 0.3″ ± σ", "Δm = 0.3″ ± σ"),
        ("NGC [/nothing] M31", "NGC [/nothing] M31"),
        ("\ud800", "<U+D800>"),
        (b"caf\xc3\xa9 \xff\x1b", "café \\xff␛"),
        (ValueError("bad \x1b card"), "bad ␛ card"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (3.5, "3.5"),
    ],
)
def test_examples(raw, shown):
    assert safe_text(raw) == shown


def test_a_long_text_ends_in_an_ellipsis_and_never_inside_an_escape():
    assert safe_text("abcdefgh", 5) == "abcd…"
    assert safe_text("abcde", 5) == "abcde"
    assert safe_text("ab\u202ecdef", 9) == "ab…"
    assert safe_text("x" * 10_000_000, 10) == "x" * 9 + "…"
    assert safe_text("e" + "\u0301" * 1_000_000, 10) == "e\u0301\u0301\u0301…"


def test_a_limit_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="limit of 0"):
        safe_text("x", 0)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-3, "-3"),
        (-2.5e-08, "-2.5e-08"),
        (float("nan"), ""),
        (float("-inf"), ""),
        ("-12.5", "-12.5"),
        ("+1e5", "+1e5"),
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1+1", "' =1+1"),
        ("\u00a0=1+1", "' =1+1"),
        ("＝1+1", "'＝1+1"),
        ("\t=1", "␉=1"),
        ("\r=1", "␍=1"),
        ("a\x1b[31m", "a␛[31m"),
    ],
)
def test_cells_of_a_spreadsheet(value, cell):
    assert csv_cell(value) == cell


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [
        (2371.4, 3, "2370"),
        (-12345.0, 4, "-12340"),
        (999.6, 3, "1000"),
        (2.0, 2, "2"),
        (0.0123456, 3, "0.0123"),
        (1.5e-9, 3, "1.5e-09"),
        (3.2e11, 3, "3.2e+11"),
        (float("inf"), 3, "inf"),
    ],
)
def test_significant_digits_without_an_exponent_where_people_need_none(value, digits, told):
    assert significant(value, digits) == told


@given(texts)
def test_no_cell_is_a_formula_once_it_was_written_and_read(raw):
    stream = io.StringIO()
    csv.writer(stream).writerow([csv_cell(raw), "end"])
    (row,) = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert row[1] == "end"
    if row[0].lstrip()[:1] in {"=", "+", "-", "@"} and row[0].lstrip():
        float(row[0])  # only a number may start so


@pytest.mark.parametrize(
    ("value", "limit", "decimals", "told"),
    [
        (4.2, 5.0, 1, "4.2"),
        (4.98, 5.0, 1, "4.98"),
        (-4.98, 5.0, 1, "-4.98"),
        (4.99999, 5.0, 1, "4.99999"),
        (80.3, 80.0, 0, "80.3"),
        (90.2, 80.0, 0, "90"),
        (5.0, 5.0, 1, "5.0"),
        (4.9999999999, 5.0, 1, "5.000000"),  # nobody needs to know
    ],
)
def test_no_number_reads_as_a_limit_that_it_does_not_meet(value, limit, decimals, told):
    assert beside(value, limit, decimals) == told
