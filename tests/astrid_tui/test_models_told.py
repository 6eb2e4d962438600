"""What the terminal says of a training that ended."""

from astrid_tui.cli.models_kept import print_training

TOLD = {"key": "a", "name": "tree", "folder": "/x", "digest": "ab", "version": None}


def test_a_rate_of_too_few_bogus_is_not_printed_as_a_number(capsys):
    metrics = {"fnr_at_1_percent_fpr": 0.125, "held_out_examples": 40.0, "prevalence": 0.5}
    print_training(TOLD | {"metrics": metrics})
    few = capsys.readouterr().out
    assert "too few to tell (20 bogus)" in few
    assert "0.125" not in few
    print_training(TOLD | {"metrics": metrics | {"held_out_examples": 400.0}})
    assert "0.125" in capsys.readouterr().out
