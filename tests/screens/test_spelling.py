"""Lines and what is sent for them where the terminal's charset lacks some characters."""

import pytest
from rich.cells import cell_len

from core.charset import STAND_INS
from screens.lines import Tinted, Tone, cells_of, drawn, plain, span
from screens.spelling import spelled
from screens.tty.charset import encoded

ASCII, LATIN = "ascii", "iso8859-1"


def test_signs_are_named_and_columns_stay():
    row = (
        span("snr -25.4σ", Tone.KEY),
        drawn("        "),
        span("mag 19.24 ±0.04"),
        drawn("   "),
        span("| end"),
    )
    told = spelled(row, ASCII)
    assert plain(told) == "snr -25.4sigma    mag 19.24 +-0.04  | end"
    assert cells_of(told) == cells_of(row)
    assert [piece.tone for piece in told] == [piece.tone for piece in row]
    assert plain(spelled(row, LATIN)).endswith("mag 19.24 ±0.04   | end")


def test_words_are_not_run_together_and_pictures_are_left():
    assert plain(spelled((span("5σ of 3σ"),), ASCII)) == "5sigma of 3sigma"
    picture = Tinted(".:  :", 1, 2, True)
    assert spelled((picture, span("  5σ")), ASCII) == (picture, span("  5sigma"))
    line = (span("nothing to name"),)
    assert spelled(line, ASCII) is line


@pytest.mark.parametrize("charset", [ASCII, LATIN, "koi8-r", "utf-8"])
def test_what_is_sent_takes_the_same_cells(charset):
    text = "".join(STAND_INS) + "●○◆▽│┌┐▔▇█▀ 星雲 🔎 größer жук \x1b[1;31m"
    sent = encoded(text, charset).decode(charset)
    assert cell_len(sent) == cell_len(text)
    assert sent.endswith("\x1b[1;31m")
    kept = {"ascii": "", "iso8859-1": "größer", "koi8-r": "жук", "utf-8": text}[charset]
    assert kept in sent


def test_marks_that_combine_are_left_out():
    assert encoded("e\u0301a", ASCII) == b"ea"
