"""What starts quickly must not load what is heavy, and our names must be ours alone."""

import subprocess
import sys
from importlib.metadata import distributions

HEAVY = {"torch", "sklearn", "mlflow", "prefect", "scipy", "astropy", "sep", "pandas", "matplotlib"}
OURS = {"astrid_tui", "core", "pipeline", "screens"}


READING = (
    "core.database.store",
    "core.review.cards",
    "core.review.candidates",
    "core.review.verdicts",
    "core.objects.detail",
    "core.operations.status",
    "core.operations.power",
    "core.models.drift",
)


def _loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter holds after running some code."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


def test_this_test_can_see_a_heavy_import():
    assert "scipy" in _loaded_by("import scipy")


def test_help_loads_nothing_heavy():
    code = "from astrid_tui.cli.app import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass"
    loaded = _loaded_by(code)
    assert not loaded & (HEAVY | {"numpy", "textual", "sqlalchemy", "pydantic", "rich"})


def test_the_console_starts_without_anything_heavy():
    loaded = _loaded_by("import astrid_tui.app")
    assert "textual" in loaded
    assert not loaded & (HEAVY | {"numpy", "sqlalchemy", "pydantic", "plotext", "pipeline"})


def test_the_store_is_read_without_the_science():
    loaded = _loaded_by("\n".join(f"import {module}" for module in READING))
    assert not loaded & (HEAVY | {"textual", "pipeline"})


def test_a_network_is_tried_without_the_store():
    """In a process of its own, which begins anew for each."""
    loaded = _loaded_by("import pipeline.classify.first_run, pipeline.classify.imported")
    assert "numpy" in loaded
    assert not loaded & (HEAVY | {"sqlalchemy", "textual"})


def test_a_frame_is_processed_without_what_few_need():
    loaded = _loaded_by("import pipeline.engines.local, pipeline.process")
    assert "scipy.ndimage" in loaded
    assert not loaded & {"mlflow", "onnxruntime", "prefect", "scipy.stats", "sklearn", "textual", "torch"}


def test_models_are_listed_without_what_trains_scores_or_registers_them(tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").touch()
    loaded = _loaded_by(
        f"import os, sys\nos.environ['ASTRID_HOME'] = {str(tmp_path)!r}\n"
        "sys.argv[1:] = ['models', 'list']\n"
        "from astrid_tui.__main__ import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert "core.models.registry" in loaded
    assert not loaded & (HEAVY | {"onnx", "onnxruntime", "safetensors"})


def test_two_files_are_subtracted_without_a_store(tmp_path):
    loaded = _loaded_by(
        f"import os, sys\nos.environ['ASTRID_HOME'] = {str(tmp_path)!r}\n"
        "sys.argv[1:] = ['diff', 'there-is-none.fits', 'nor-is-this.fits']\n"
        "from astrid_tui.__main__ import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert "pipeline.diff" in loaded
    assert not loaded & {"sqlalchemy", "sqlmodel"}


def test_no_installed_distribution_has_a_module_of_our_names():
    owners = {
        (part, distribution.metadata["Name"])
        for distribution in distributions()
        for file in distribution.files or ()
        if (part := file.parts[0].removesuffix(".py")) in OURS
    }
    assert {name for _, name in owners} <= {"astrid-tui"}
