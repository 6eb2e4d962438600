"""A search as a process of its own: when it does not begin, and why it ended."""

import pytest

from core.operations.search_process import SearchFailed, SearchProcess, SearchStopped


def test_a_search_that_was_given_up_before_it_began_does_not_begin(monkeypatch):
    monkeypatch.setattr("core.operations.command_process.subprocess.Popen", None)  # nothing can be started
    process = SearchProcess(None)
    process.stop()
    with pytest.raises(SearchStopped, match="given up"):
        process.run([], lambda *_: None)


def test_the_last_that_a_search_said_tells_why_it_ended_however_much_it_said(tmp_path, monkeypatch):
    (tmp_path / "astrid_tui").mkdir()
    (tmp_path / "astrid_tui" / "__init__.py").touch()
    (tmp_path / "astrid_tui" / "__main__.py").write_text(
        "import sys\nsys.stderr.write('a warning\\n' * 100_000 + 'no room\\n\\n')\nsys.exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SearchFailed, match=r"ended with code 3: no room$"):
        SearchProcess(None).run([], lambda done, total: None)
