"""Settings: the shipped file says every default, and what is wrong is said in one sentence."""

import os
import re
import tomllib
from pathlib import Path

import pytest

from core.settings import Settings, SettingsError, load
from screens.frame.opening import registry_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    monkeypatch.delenv("ASTRID_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_shipped_file_lists_every_key_with_its_default():
    text = (ROOT / "config.toml").read_text()
    shown = tomllib.loads(re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE))
    shown.pop("home")
    assert shown == Settings().model_dump(mode="json", exclude={"home"})


def test_what_a_camera_calls_its_keywords_is_written_as_in_headers(monkeypatch, tmp_path):
    plain = Settings().science_hash
    (tmp_path / "config.toml").write_text(
        '[camera]\nkeywords = { filter = "Wheel2", "DATE-OBS" = "SHUTTER" }\n'
    )
    assert load().camera.keywords == {"FILTER": "WHEEL2", "DATE-OBS": "SHUTTER"}
    assert load().science_hash != plain
    monkeypatch.setenv("ASTRID_CAMERA__KEYWORDS", '{"GAIN": "HIERARCH ESO DET OUT1 GAIN"}')
    assert load().camera.keywords["GAIN"] == "HIERARCH ESO DET OUT1 GAIN"
    for wrong in ('{"FILTER": "the second wheel"}', '{"END": "WHEEL2"}'):
        monkeypatch.setenv("ASTRID_CAMERA__KEYWORDS", wrong)
        with pytest.raises(SettingsError, match=r"ASTRID_CAMERA__KEYWORDS .* is no keyword of a FITS header"):
            load()


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ('{ exposre = "SHUTTER" }', "EXPOSRE is no keyword that AstrID reads; it reads EXPOSURE"),
        ('{ FILTER = "WHEEL2", "DATE-OSB" = "X" }', "DATE-OSB is no keyword .* it reads DATE-OBS"),
        ('{ WHEEL2 = "FILTER" }', "WHEEL2 is no keyword that AstrID reads; what it reads stands first"),
    ],
)
def test_a_keyword_that_nothing_reads_is_refused_with_the_nearest_that_is_read(tmp_path, keywords, said):
    (tmp_path / "config.toml").write_text(f"[camera]\nkeywords = {keywords}\n")
    with pytest.raises(SettingsError, match=f"'camera.keywords' in .*: .*({said})"):
        load()


def test_a_tilde_is_the_user_s_own_folder(monkeypatch, tmp_path):
    (tmp_path / "config.toml").write_text('home = "~/sky"\n')
    assert load().home == tmp_path / "sky"
    monkeypatch.setenv("ASTRID_HOME", "~nobody-of-this-name/sky")
    with pytest.raises(SettingsError, match="no such user's folder"):
        load()


def test_a_home_that_begins_where_one_stands_stays_there(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTRID_HOME", "night")
    home = load().home
    monkeypatch.chdir("/")
    assert home == tmp_path / "night"


def test_the_environment_wins_over_the_file(monkeypatch, tmp_path):
    (tmp_path / "config.toml").write_text("[detect]\nthreshold = 6.0\nmax_candidates = 10\n")
    monkeypatch.setenv("ASTRID_DETECT__THRESHOLD", "7.5")
    settings = load()
    assert settings.detect.threshold == 7.5
    assert settings.detect.max_candidates == 10


def test_what_the_environment_sets_to_nothing_is_not_set(monkeypatch, tmp_path):
    before = load().home
    monkeypatch.setenv("ASTRID_HOME", "")
    assert load().home == before
    assert before.is_absolute()


def test_the_store_is_in_the_home_unless_a_url_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    assert load().store_url == f"sqlite:///{tmp_path / 'home' / 'astrid.db'}"
    monkeypatch.setenv("ASTRID_STORE__URL", "postgresql://somewhere/astrid")
    assert load().store_url == "postgresql://somewhere/astrid"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[detect]\nthreshhold = 5\n", "there is no key 'detect.threshhold'"),
        ('["\\u001b[2J"]\n', "there is no key '␛[2J'"),
        ("[detect]\nthreshold = -1\n", "detect.threshold"),
        ("[detect]\nthreshold = inf\n", "wrong.toml: it should be a finite number"),
        ("[fakes]\nsnr = [4, inf]\n", "'fakes.snr.1' in"),
        ("[detect\n", "cannot read"),
        ("[subtract]\nmethod = 'magic'\n", "subtract.method"),
        ("[review]\nexperts = 'alice'\n", "'review.experts' in"),
        ("[review]\nexperts = ['vera', 'None']\n", "nobody can be called 'None'"),
        ("[review]\nreviewer = 'me'\n", "filters mean others by it, such as expert:me"),
        ("[review]\nexperts = 'alice'\n", 'wrong.toml: a list is written as ["a", "b"]'),
        ("[fakes]\nsnr = [9, 5]\n", "'fakes' in"),
        ("[fakes]\nsnr = [9, 5]\n", "wrong.toml: snr is two numbers"),
        ("[keys]\nundo = 7\n", "'keys.undo' in"),
        ("[queue]\nlease_s = 1e300\n", "'queue.lease_s' in"),  # no clock waits so long
        ("[queue]\nattempts = 4294967297\n", "a number here is at most 4294967296"),
        ('[alerts]\ncommand = ["say\\u0000"]\n', "'alerts.command' in"),  # the system starts no such program
        ('[tns]\nfilters = { r = "\\u0000" }\n', "text cannot hold the character NUL"),
        ('[alerts]\nurls = ["\\u0000"]\n', "'alerts.urls' in"),
        ('home = "\\u0000"\n', "'home' in"),
        (f"home = {'9' * 5000}\n", "wrong.toml: it holds a number of thousands of digits"),
        (f"home = {'[' * 5000}\n", "wrong.toml: it is nested too deeply"),
        (f"[store]\n{'k' * 5000} = 1\n", f"there is no key 'store.{'k' * 73}…'"),
    ],
)
def test_a_wrong_file_is_told_by_its_key(tmp_path, text, said):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(said)):
        load(path)


def test_a_missing_file_that_was_named_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot read"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize("others", ["owner", "writable"])
def test_a_program_to_run_is_not_taken_from_a_file_that_others_can_write(monkeypatch, tmp_path, others):
    path = tmp_path / "config.toml"
    path.write_text('[alerts]\ncommand = ["touch", "here"]\n')
    assert load().alerts.command == ("touch", "here")
    if others == "owner":
        monkeypatch.setattr("os.geteuid", lambda: path.stat().st_uid + 1)
        if path.stat().st_uid == 0:  # what is root's is anybody's to obey
            os.chown(path, 12345, -1)
    else:
        path.chmod(0o666)
    with pytest.raises(SettingsError, match="others can write"):
        load()
    assert load(path).alerts.command == ("touch", "here")
    monkeypatch.setenv("ASTRID_CONFIG", str(path))
    assert load().alerts.command == ("touch", "here")
    monkeypatch.delenv("ASTRID_CONFIG")
    path.write_text("[detect]\nthreshold = 6.0\n")
    assert load().detect.threshold == 6.0


def test_the_science_hash_follows_what_changes_a_frame_and_nothing_else():
    settings = Settings()
    other_review = settings.model_copy(
        update={"review": settings.review.model_copy(update={"theme": "dome"})}
    )
    other_science = settings.model_copy(
        update={"detect": settings.detect.model_copy(update={"threshold": 6.0})}
    )
    assert other_review.science_hash == settings.science_hash
    no_depth = settings.model_copy(update={"depth": settings.depth.model_copy(update={"enabled": False})})
    assert no_depth.science_hash == settings.science_hash  # it would make second versions of all candidates
    less_room = {"calibrate": settings.calibrate.model_copy(update={"keep_gib": 1.0})}
    assert settings.model_copy(update=less_room).science_hash == settings.science_hash
    assert other_science.science_hash != settings.science_hash


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ASTRID_REVIEW__VOTES", "zero", "ASTRID_REVIEW__VOTES in the environment: a whole number is needed"),
        ("ASTRID_REVIEW", '{"votes": 0}', "ASTRID_REVIEW in the environment: it should be"),
        ("ASTRID_DETEKT__THRESHOLD", "4", "ASTRID_DETEKT__THRESHOLD in the environment: there is no section"),
        ("ASTRID_DETECT__FOO", "4", "ASTRID_DETECT__FOO in the environment: there is no key 'detect.foo'"),
        (
            "ASTRID_REVIEW__EXPERTS",
            "eve",
            "ASTRID_REVIEW__EXPERTS in the environment cannot be read: a list is",
        ),
        (
            "ASTRID_STORE_URL",
            "x",
            "ASTRID_STORE_URL in the environment sets nothing: did you mean ASTRID_STORE__URL?",
        ),
        ("astrid_queue_lease_s", "9", "did you mean ASTRID_QUEUE__LEASE_S?"),
        ("ASTRID_HOME__DIR", "x", "there is no section 'home'"),
        ("ASTRID_SITE__POSITION", "28,-17", "ASTRID_SITE__POSITION in the environment: a list is written as"),
        ("ASTRID_KEYS", "[" * 100_000, "ASTRID_KEYS in the environment cannot be read: it is nested too"),
        ("ASTRID_SITE__POSITION", "[128, -17]", "ASTRID_SITE__POSITION in the environment: it should be"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(tmp_path, monkeypatch, name, value, said):
    path = tmp_path / "config.toml"
    path.write_text("[review]\nvotes = 2\n")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(said)):
        load(path)


def test_a_variable_is_not_blamed_for_what_the_file_says(tmp_path, monkeypatch):
    path = tmp_path / "config.toml"
    path.write_text("[review]\nvotes = 0\n")
    monkeypatch.setenv("ASTRID_REVIEW", '{"blind": true}')
    monkeypatch.setenv("ASTRID_REVIEW__AGAIN_SHARE", "0.1")
    with pytest.raises(SettingsError, match=re.escape(f"configuration key 'review.votes' in {path}")):
        load(path)


def test_a_key_of_no_action_is_told_as_one_however_it_is_written(tmp_path):
    path = tmp_path / "config.toml"
    for text in ('nope = "q"', 'nope = ["q"]'):
        path.write_text(f"[keys]\n{text}\n")
        with pytest.raises(SettingsError, match="there is no action 'nope'"):
            registry_of(load(path), path)
    path.write_text('[keys]\nhelp = "f1"\n')
    assert registry_of(load(path), path)["help"].keys == ("f1",)


def test_variables_that_others_set_are_no_settings(monkeypatch):
    for name in (
        "ASTRID_ALERT_MESSAGE", "ASTRID_TEST_DATA", "ASTRID_QUEUE_SERVICE_HOST", "ASTRID_QUEUE_SERVICE_PORT",
        "ASTRID_QUEUE_PORT", "ASTRID_QUEUE_PORT_6379_TCP_ADDR", "ASTRID_STORE_", "ASTRID_HOME_OLD",
    ):  # fmt: skip
        monkeypatch.setenv(name, "x")
    load()
