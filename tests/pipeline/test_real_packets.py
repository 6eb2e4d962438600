"""Real packets of six surveys: every alert is taken, and says what its packet says."""

import csv
import io
import math
import tarfile
from collections import Counter
from pathlib import Path

import fastavro
import numpy as np
import pytest
from astropy.io import fits

from core.database.store import Store
from core.objects.detail import read_object
from core.review.cutouts import unpack
from core.settings import Settings
from core.surveys.alert import AlertFacts
from core.vocabulary import FluxKind
from pipeline.intake.alerts import take_alerts
from pipeline.known.alerts import body_answer
from pipeline.surveys.stamps import read_stamp
from tests.pipeline.packets import read

BYTES_AIM = 12_000
NAMES = {"wntr": "winter"}  # of the surveys in the index, where ours is another


@pytest.fixture(scope="module")
def packets(shared_data: Path) -> Path:
    return shared_data / "alerts"


@pytest.fixture(scope="module")
def index(packets: Path) -> list[dict[str, str]]:
    with (packets / "alert_index.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def alerts(packets: Path) -> dict[tuple[str, str], AlertFacts]:
    """All alerts there are, by survey and candid."""
    found = {}
    for path in sorted(packets.rglob("*")):
        if path.suffix in {".avro", ".parquet"}:
            good, refused = read(path)
            assert refused == []
            found |= {(alert.source, alert.external_id): alert for alert in good}
    return found


def test_every_alert_of_the_index_is_read_and_no_more(index, alerts) -> None:
    keys = {(NAMES.get(row["survey"], row["survey"]), row["candid"]) for row in index}
    assert len(keys) == 243
    assert set(alerts) == keys
    assert [alert.remark for alert in alerts.values() if alert.remark] == []


def test_each_says_what_the_index_says(index, alerts) -> None:
    for row in index:
        survey = NAMES.get(row["survey"], row["survey"])
        alert = alerts[survey, row["candid"]]
        if row["objectId"] and survey != "rubin":
            assert alert.object_id == row["objectId"]
        for name in ("rb", "drb", "reliability"):
            if row[name]:
                assert alert.scores[f"{survey}:{name}"] == pytest.approx(float(row[name]))
        if row["isdiffpos"] and survey != "atlas":
            assert (alert.snr < 0) == (row["isdiffpos"].lower() in {"f", "0", "false"})
        assert alert.flux is not None
        assert alert.flux * alert.snr > 0
        assert alert.mag == pytest.approx(31.4 - 2.5 * math.log10(abs(alert.flux)))


def test_the_middle_of_every_difference_has_the_sign_of_its_alert(alerts) -> None:
    agrees: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for alert in alerts.values():
        assert alert.cutouts is not None
        diff = unpack(alert.cutouts).diff
        y, x = (side // 2 for side in diff.shape)
        middle = diff[y - 2 : y + 3, x - 2 : x + 3]
        if np.isfinite(middle).all():
            total[alert.source] += 1
            agrees[alert.source] += bool(middle.sum() * alert.snr > 0)
    assert total["ztf"] > 190
    # A bright star's residual may win over a faint alert beside it.
    assert agrees["ztf"] >= 0.97 * total["ztf"]
    for survey in ("rubin", "atlas", "winter", "pgir", "decam"):
        assert agrees[survey] == total[survey] > 0


def test_cutouts_are_small_and_the_same_as_astropys(packets, alerts) -> None:
    sizes = [len(alert.cutouts or b"") for alert in alerts.values()]
    assert sum(sizes) / len(sizes) <= BYTES_AIM
    path = packets / "atlas" / "02a59543o0078o_011586.avro"
    with path.open("rb") as stream:
        (packet,) = fastavro.reader(stream)
    for name in ("cutoutScience", "cutoutDifference"):
        data = packet[name]["stampData"]
        expected = fits.getdata(io.BytesIO(data)).astype(np.float32)
        mine = read_stamp(data)
        masked = np.isnan(mine)
        np.testing.assert_array_equal(mine[~masked], expected[~masked])
        assert (expected[masked] == -31415.0).all()
    assert masked.sum() > 0


def test_the_asteroids_that_surveys_name_are_known(index, alerts) -> None:
    """All that the index calls real for an asteroid within 5 arcsec, and one of 27 arcsec is none."""
    found = {key: body_answer(alert.source, alert.body, alert.mag) for key, alert in alerts.items()}
    named = {key: told for key, told in found.items() if told is not None}
    assert Counter(source for source, _ in named) == {"ztf": 19, "rubin": 2}
    near = {row["candid"] for row in index if "solar-system object" in row["weak_label_reason"]}
    assert {candid for source, candid in named if source == "ztf"} == near
    assert alerts["ztf", "2657335301215015033"].body.distance_arcsec == 27.0
    assert named["ztf", "1034530232615015004"]["name"] == "6281"
    told = named["rubin", "170094456480989258"]
    assert (told["name"], told["distance_arcsec"]) == ("2004 JQ12", 0.03)
    assert max(abs(alerts[key].mag - told["mag"]) for key, told in named.items() if told["mag"]) < 0.9


def test_a_detection_of_ztf_by_hand(alerts) -> None:
    alert = alerts["ztf", "2475433850015010009"]
    assert (alert.object_id, alert.filter, alert.frame) == (
        "ZTF17aadcvhq", "g", "ztf_20231012433727_000505_zg_c01_o_q1_scimrefdiffimg.fits",
    )  # fmt: skip
    assert alert.mjd == pytest.approx(60229.4338542 + 15 / 86400, abs=1e-7)
    assert (alert.ra, alert.dec) == (46.9973747, 9.3679347)
    assert alert.snr == pytest.approx(-14.559100151)
    assert alert.mag == pytest.approx(17.8557224)
    assert alert.flux == pytest.approx(-(10 ** (0.4 * (31.4 - 17.8557224))), rel=1e-6)
    assert alert.x_frame == pytest.approx(1485.2181396)
    assert (alert.scores["ztf:drb"], alert.scores["ztf:rb"]) == pytest.approx((0.9932287, 0.7457143))
    kinds = Counter(point.kind for point in alert.history)
    assert kinds[FluxKind.LIMIT] > 0
    last = next(point for point in alert.history if point.external_id == "limit.2473360480015")
    assert last.flux_err == pytest.approx(10 ** (0.4 * (31.4 - 20.4463997)) / 5)
    assert last.filter == "r"


def test_an_old_schema_of_ztf_by_hand(alerts) -> None:
    alert = alerts["ztf", "516171791415015025"]  # 1.8, without exptime and drb
    assert alert.mjd == pytest.approx(58270.171794 + 15 / 86400, abs=1e-7)
    assert set(alert.scores) == {"ztf:rb"}
    assert alert.snr == pytest.approx(5.39688158)
    assert len(alert.history) == 43


def test_a_source_of_rubin_by_hand(alerts) -> None:
    alert = alerts["rubin", "170094456272322680"]
    assert alert.object_id == "170028485706776685"
    assert alert.mjd == pytest.approx(61105.093643486834 - 37 / 86400, abs=1e-9)
    assert alert.snr == pytest.approx(-34.5402183)
    assert (alert.flux, alert.flux_err) == pytest.approx((-19549.39453, 555.80396))
    assert (alert.filter, alert.frame) == ("i", "visit 2026030500055 detector 140")
    assert alert.scores == {"rubin:reliability": pytest.approx(0.8754439)}
    assert Counter(point.kind for point in alert.history) == {FluxKind.DETECTION: 345, FluxKind.FORCED: 395}


def test_one_of_each_other_survey_by_hand(alerts) -> None:
    atlas = alerts["atlas", "02a59543o0040o_006230"]
    assert (atlas.mjd, atlas.filter, atlas.object_id) == (59543.194825, "o", "1200825211121548288")
    assert (atlas.flux, atlas.mag) == pytest.approx((173780.212, 18.3), rel=1e-6)
    winter = alerts["winter", "3608701"]
    assert winter.mjd == pytest.approx(60380.531487338 + 60 / 86400, abs=1e-7)
    assert (winter.filter, winter.snr, winter.mag) == (
        "J",
        pytest.approx(6.0172356),
        pytest.approx(15.3169518),
    )
    pgir = alerts["pgir", "114297926"]
    assert pgir.mjd == pytest.approx(59394.22358796 + 71.262909 / 2 / 86400, abs=1e-7)
    assert (pgir.filter, pgir.snr) == ("J", pytest.approx(72.15))
    assert pgir.mag == pytest.approx(10.1759996 + 2.5 * math.log10(3631 / 1594), abs=1e-6)
    decam = alerts["decam", "65346"]
    assert (decam.mjd, decam.flux, decam.mag) == pytest.approx((61229.08006057, 1375.2511, 23.554045))


def test_all_of_them_and_the_damaged_ones_end_in_a_state(sqlite_store: Store, shared_data: Path) -> None:
    paths = [
        path for path in sorted((shared_data / "alerts").rglob("*")) if path.suffix in {".avro", ".parquet"}
    ]
    odd = sorted((shared_data / "odd" / "avro").iterdir())
    files = list(take_alerts(sqlite_store, Settings(), [*paths, *odd]))
    assert [file.path for file in files] == [*paths, *odd]
    assert sum(file.new for file in files) == 243
    damaged = ("quarantined", "it ends in the middle: it is truncated or damaged")
    known = "ztf, rubin, atlas, winter, pgir, decam"
    unknown = ("rejected", f"its schema, 'alert', is of no survey that is known here ({known})")
    assert {file.path.name: (file.state, file.reason) for file in files if file.refused} == {
        path.name: unknown if path.name == "turbo_1.avro" else damaged for path in odd
    }
    again = list(take_alerts(sqlite_store, Settings(), paths))
    assert (sum(file.new for file in again), sum(file.known for file in again)) == (0, 243)
    detail = read_object(sqlite_store, "PGIR21aeiljk")
    assert detail.object.n_candidates == 3
    assert len(detail.light_curve) == 95  # many of them in the histories of all three


def test_a_whole_archive_is_the_same(sqlite_store: Store, packets: Path, tmp_path: Path) -> None:
    folder = packets / "ztf"
    with tarfile.open(tmp_path / "night.tar.gz", "w:gz") as archive:
        archive.add(folder, "night")
    (file,) = take_alerts(sqlite_store, Settings(), [tmp_path / "night.tar.gz"])
    assert (file.new, file.refused) == (len(list(folder.glob("*.avro"))), 0)
