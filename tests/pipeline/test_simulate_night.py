"""A simulated night on disk: raw frames, and a table that tells all that is in them."""

import json

import numpy as np
import pytest
import sep
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from pipeline.simulate import SimulationRefused, simulate_night
from pipeline.simulate.detector import GAIN, SATURATION
from pipeline.simulate.night import MANIFEST

SIZE = 256


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return simulate_night(tmp_path_factory.mktemp("night"), frames=6, size=SIZE, seed=3)


@pytest.fixture(scope="module")
def truth(night):
    return Table.read(night.truth)


@pytest.fixture(scope="module")
def facts(night):
    frames = json.loads((night.folder / MANIFEST).read_text())["frames"]
    return {frame["file"]: frame for frame in frames}


@pytest.fixture(scope="module")
def calibrated(night):
    """Electrons and projection of every frame of the sky, by its name, from the night's own sets."""

    def stack(name):
        paths = [path for path in night.calibration if path.name.startswith(name)]
        return np.median([level(path) for path in paths], axis=0)

    def level(path):
        data = fits.getdata(path).astype(float)
        return data[:, :SIZE] - np.median(data[:, SIZE:])

    bias, flat = stack("bias"), stack("flat")
    dark = stack("dark") - bias
    response = (flat - bias) / np.median(flat - bias)
    frames = {}
    for path in (*night.reference, *night.science):
        header = fits.getheader(path)
        electrons = (level(path) - bias - dark * header["EXPTIME"] / 150.0) / np.maximum(response, 0.2) * GAIN
        frames[path.relative_to(night.folder).as_posix()] = (electrons, WCS(header), response > 0.5)
    return frames


def of_kind(truth, kind, epoch="science"):
    return truth[(truth["kind"] == kind) & (truth["epoch"] == epoch)]


def test_a_night_has_all_its_sets_and_no_half_file(night):
    assert (len(night.science), len(night.reference), len(night.calibration)) == (6, 5, 13)
    found = {path for path in night.folder.rglob("*") if path.is_file()}
    named = {*night.science, *night.reference, *night.calibration, night.truth, night.catalogue}
    assert found == named | {night.folder / MANIFEST}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    nights = [
        simulate_night(tmp_path / name, frames=2, size=128, seed=seed, references=1)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    contents = [
        {p.relative_to(n.folder): p.read_bytes() for p in n.folder.rglob("*") if p.is_file()} for n in nights
    ]
    assert contents[0] == contents[1]
    assert all(contents[0][path] != contents[2][path] for path in contents[0])


def test_raw_frames_are_unsigned_counts_with_the_usual_header(night):
    with fits.open(night.science[0]) as hdus:
        header, data = hdus[0].header, hdus[0].data
    assert (data.dtype, data.shape) == (np.uint16, (SIZE, SIZE + 32))
    assert header["DATE-OBS"] == "2025-03-14T02:30:00.000"
    assert header["TRIMSEC"] == "[1:256,1:256]"
    assert header["BIASSEC"] == "[257:288,1:256]"
    assert (header["IMAGETYP"], header["FILTER"], header["EXPTIME"]) == ("OBJECT", "r", 60.0)
    assert {"GAIN", "RDNOISE", "SATURATE", "AIRMASS", "CCD-TEMP", "RADESYS"} <= set(header)
    kinds = [fits.getheader(path)["IMAGETYP"] for path in night.calibration]
    assert kinds == ["BIAS"] * 5 + ["DARK"] * 3 + ["FLAT"] * 5
    assert not any("CTYPE1" in fits.getheader(path) for path in night.calibration)


def test_the_table_places_things_where_the_files_projection_does(truth, calibrated):
    events = truth[truth["kind"] != "cosmic_ray"]
    for row in events:
        x, y = calibrated[row["file"]][1].all_world2pix(row["ra"], row["dec"], 0)
        assert (x, y) == pytest.approx((row["x"], row["y"]), abs=2e-3)


def test_frames_are_dithered_and_turned(calibrated):
    centres = np.array([wcs.wcs.crval for _, wcs, _ in calibrated.values()])
    angles = [
        np.rad2deg(np.arctan2(wcs.pixel_scale_matrix[1, 0], wcs.pixel_scale_matrix[1, 1]))
        for _, wcs, _ in calibrated.values()
    ]
    assert 5 < np.ptp(centres[:, 1]) * 3600 <= 20
    assert 0.2 < np.ptp(angles) <= 0.8


def recovered(calibrated, facts, name, x, y, flux, radius):
    """Aperture fluxes over the true ones, corrected for what the true PSF leaves outside."""
    electrons, _, good = calibrated[name]
    background = sep.Background(electrons, mask=~good, bw=32, bh=32)
    measured, _, _ = sep.sum_circle(electrons - background.back(), x, y, radius, mask=~good)
    psf = facts[name]["psf"]
    alpha = psf["fwhm"] / (2 * np.sqrt(2 ** (1 / psf["beta"]) - 1))
    enclosed = 1 - (1 + (radius / alpha) ** 2) ** (1 - psf["beta"])
    return measured / flux / enclosed


def test_photometry_of_catalogue_stars_returns_their_magnitudes(night, calibrated, facts):
    """Bias, dark, flat, gain, transparency, projection and PSF wings in one number."""
    catalogue = Table.read(night.catalogue)
    stars = catalogue[[str(name).startswith("star") for name in catalogue["id"]]]
    ratios = []
    for name, (_, wcs, _) in calibrated.items():
        x, y = wcs.all_world2pix(stars["ra"], stars["dec"], 0)
        flux = 10 ** (0.4 * (facts[name]["zeropoint"] - np.array(stars["mag"])))
        distance = np.hypot(x[:, None] - x, y[:, None] - y)
        neighbours = np.where((distance > 0) & (distance < 20), flux, 0).sum(axis=1)
        inside = (x > 20) & (x < SIZE - 20) & (y > 20) & (y < SIZE - 20)
        chosen = inside & (flux > 3e4) & (flux < 4e5) & (neighbours < 0.03 * flux)
        ratios += list(recovered(calibrated, facts, name, x[chosen], y[chosen], flux[chosen], 9.0))
    assert len(ratios) > 20
    assert np.median(ratios) == pytest.approx(1.0, abs=0.015)


def test_what_changes_shines_as_the_table_says_frame_by_frame(truth, calibrated, facts):
    events = truth[(truth["snr"] > 40) & (truth["host"] == "none")]
    ratios = [
        recovered(calibrated, facts, row["file"], [row["x"]], [row["y"]], row["flux_electrons"], 5.0)[0]
        for row in events
    ]
    assert {"transient", "variable"} & set(events["kind"])
    assert len(ratios) >= 8
    assert np.median(ratios) == pytest.approx(1.0, abs=0.05)


def test_a_small_frame_has_stars_enough_to_be_aligned(calibrated):
    for electrons, _, good in calibrated.values():
        background = sep.Background(electrons, mask=~good, bw=32, bh=32)
        found = sep.extract(electrons - background.back(), 2.5, err=background.globalrms, mask=~good)
        assert len(found) >= 30


def test_the_sky_and_its_noise_are_those_of_the_manifest(calibrated, facts):
    for name, (electrons, _, good) in calibrated.items():
        sky = facts[name]["sky_electrons"]
        assert sep.Background(electrons, mask=~good, bw=32, bh=32).globalback == pytest.approx(sky, rel=0.05)
        # The emptiest tiles of 16 pixels, and steps from row to row: free of stars and of slopes.
        tiles = np.where(good, electrons, np.nan).reshape(16, 16, 16, 16).swapaxes(1, 2).reshape(256, 16, 16)
        emptiest = tiles[np.argsort(np.nanpercentile(tiles, 95, axis=(1, 2)))[:40]]
        low, high = np.nanpercentile(np.diff(emptiest, axis=1), [15.865, 84.135])
        assert (high - low) / np.sqrt(8) == pytest.approx(np.sqrt(sky + 36.0), rel=0.06), name


def test_the_night_changes(facts):
    science = [frame for name, frame in facts.items() if name.startswith("science")]
    for key in ("transparency", "airmass", "sky_electrons"):
        values = [frame[key] for frame in science]
        assert max(values) / min(values) > 1.02
    widths = [frame["psf"]["fwhm"] for frame in science]
    assert max(widths) / min(widths) > 1.1


def test_bright_stars_saturate_and_bleed(night):
    full = fits.getdata(night.reference[0])[:, :SIZE] >= SATURATION
    assert full.any()
    columns = full.sum(axis=0)
    assert columns.max() > full.sum(axis=1).max()  # longer than wide


def test_half_of_the_transients_lie_on_galaxies(night, truth):
    transients = of_kind(truth, "transient")
    hosts = dict(zip(transients["id"], transients["host"], strict=True))
    catalogue = Table.read(night.catalogue)
    galaxies = {row["id"]: row for row in catalogue if row["id"].startswith("galaxy")}
    on_galaxies = [host for host in hosts.values() if host != "none"]
    assert len(on_galaxies) >= 1
    assert abs(2 * len(on_galaxies) - len(hosts)) <= 1
    for row in transients[transients["host"] != "none"]:
        host = galaxies[row["host"]]
        east = (row["ra"] - host["ra"]) * np.cos(np.deg2rad(row["dec"])) * 3600
        assert np.hypot(east, (row["dec"] - host["dec"]) * 3600) < 12 * host["radius"]


def test_transients_are_absent_from_the_reference_and_fading_sources_are_in_it(truth):
    assert len(of_kind(truth, "transient", "reference")) == 0
    assert len(of_kind(truth, "fading", "reference")) >= 5
    assert (of_kind(truth, "transient")["change_electrons"] > 0).all()
    assert (of_kind(truth, "fading")["change_electrons"] < 0).all()
    assert (of_kind(truth, "fading")["snr_change"] < -10).all()


def test_a_change_is_flux_less_the_mean_of_the_reference(truth, facts):
    variable = of_kind(truth, "variable")
    before = of_kind(truth, "variable", "reference")
    for row in variable[variable["id"] == "variable0"]:
        epochs = before[before["id"] == "variable0"]
        expected = np.mean(10 ** (0.4 * (facts[row["file"]]["zeropoint"] - epochs["mag"])))
        assert row["flux_electrons"] - row["change_electrons"] == pytest.approx(expected, rel=1e-3)


def test_a_source_that_fades_is_there_and_then_gone(truth, calibrated):
    def brightness(row):
        electrons, _, good = calibrated[row["file"]]
        background = sep.Background(electrons, mask=~good, bw=32, bh=32)
        flux, error, _ = sep.sum_circle(
            electrons - background.back(), [row["x"]], [row["y"]], 4.0, err=background.globalrms
        )
        return flux[0] / error[0]

    before = of_kind(truth, "fading", "reference")
    after = of_kind(truth, "fading")
    after = after[after["flux_electrons"] == 0.0]
    assert len(after) >= 1
    name = after["id"][0]
    assert min(brightness(row) for row in before[before["id"] == name]) > 15
    assert max(brightness(row) for row in after[after["id"] == name]) < 8


def test_the_moving_object_moves_thirty_arcseconds_an_hour(truth):
    rows = of_kind(truth, "moving")
    assert len(rows) >= 4
    hours = (rows["mjd"][-1] - rows["mjd"][0]) * 24
    east = (rows["ra"][-1] - rows["ra"][0]) * 3600 * np.cos(np.deg2rad(rows["dec"][0]))
    north = (rows["dec"][-1] - rows["dec"][0]) * 3600
    assert np.hypot(east, north) / hours == pytest.approx(30.0, rel=0.01)


def test_a_satellites_trail_is_where_the_table_says(truth, calibrated):
    rows = of_kind(truth, "streak")
    assert len(rows) == 2  # frames 2 and 6
    for row in rows:
        electrons, _, _ = calibrated[row["file"]]
        along = np.array([row["x_end"] - row["x"], row["y_end"] - row["y"]])
        length = np.hypot(*along)
        across = np.array([-along[1], along[0]]) / length
        steps = np.linspace(0.05, 0.95, 200)[:, None]
        line = np.array([row["x"], row["y"]]) + steps * along

        def level(offset, line=line, across=across, electrons=electrons):
            x, y = np.rint(line + offset * across).astype(int).T
            inside = (x >= 0) & (x < SIZE) & (y >= 0) & (y < SIZE)
            return np.median(electrons[y[inside], x[inside]])

        beside = (level(15) + level(-15)) / 2
        assert level(0) > beside + 1.5 * np.sqrt(beside)


def test_cosmic_rays_are_in_the_table_one_by_one(truth, calibrated):
    rays = truth[(truth["kind"] == "cosmic_ray") & (truth["flux_electrons"] > 1500)]
    assert len(rays) >= 5
    found = 0
    for row in rays:
        electrons, _, _ = calibrated[row["file"]]
        left, right = sorted((round(row["x"]), round(row["x_end"])))
        low, high = sorted((round(row["y"]), round(row["y_end"])))
        box = electrons[max(low - 1, 0) : high + 2, max(left - 1, 0) : right + 2]
        found += box.max() > np.median(electrons) + 150
    assert found >= 0.9 * len(rays)


def test_a_finished_night_is_kept(night):
    before = {path: path.stat().st_mtime_ns for path in night.folder.rglob("*")}
    again = simulate_night(night.folder, frames=6, size=SIZE, seed=3)
    assert again == night
    assert before == {path: path.stat().st_mtime_ns for path in night.folder.rglob("*")}


def test_progress_counts_every_file(tmp_path):
    seen = []
    simulate_night(tmp_path, frames=1, size=128, references=1, progress=lambda *report: seen.append(report))
    assert [done for done, _, _ in seen] == list(range(1, 18))
    assert {total for _, total, _ in seen} == {17}
    assert seen[-1][2] == "catalogue.ecsv"


def test_a_night_that_was_broken_off_is_taken_up_again(tmp_path):
    class Killed(Exception):
        pass

    def kill(done, total, name):
        if done == 15:
            raise Killed

    options = {"frames": 1, "size": 128, "references": 1}
    with pytest.raises(Killed):
        simulate_night(tmp_path / "a", **options, progress=kill)
    half = list((tmp_path / "a").rglob("*.fits"))
    assert len(half) == 15
    for path in half:
        assert fits.getdata(path).shape == (128, 160)
    broken, whole = simulate_night(tmp_path / "a", **options), simulate_night(tmp_path / "b", **options)
    assert broken.truth.read_bytes() == whole.truth.read_bytes()
    assert broken.science[0].read_bytes() == whole.science[0].read_bytes()


def test_a_night_with_a_lost_file_is_made_again(tmp_path):
    options = {"frames": 1, "size": 128, "references": 1}
    made = simulate_night(tmp_path, **options)
    made.science[0].unlink()
    assert simulate_night(tmp_path, **options).science[0].is_file()


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"parameters": 3, "finished": true}'])
def test_a_manifest_that_is_not_ours_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(SimulationRefused, match="cannot read"):
        simulate_night(tmp_path, frames=1, size=128)
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST]


def test_other_peoples_folders_are_refused_untouched(tmp_path, night):
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(SimulationRefused, match="not empty"):
        simulate_night(tmp_path, frames=1, size=128)
    with pytest.raises(SimulationRefused, match="is a file"):
        simulate_night(tmp_path / "thesis.tex", frames=1, size=128)
    with pytest.raises(SimulationRefused, match="cannot write"):
        simulate_night(tmp_path / "thesis.tex" / "night", frames=1, size=128)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(SimulationRefused, match="another simulated night"):
        simulate_night(night.folder, frames=6, size=SIZE, seed=4)


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"size": 100}, {"seed": -1}, {"cadence_s": 0.0}])
def test_parameters_that_make_no_night_are_refused(tmp_path, wrong):
    with pytest.raises(SimulationRefused, match="at least"):
        simulate_night(tmp_path / "night", **{"frames": 1, "size": 128, **wrong})
    assert not (tmp_path / "night").exists()


def test_many_frames_fit_into_one_night_of_dark_sky(tmp_path):
    made = simulate_night(tmp_path, frames=30, size=128, references=1)
    times = [fits.getheader(path)["DATE-OBS"] for path in made.science]
    assert times == sorted(set(times))
    assert times[-1] < "2025-03-14T09:30"
    assert max(fits.getheader(path)["AIRMASS"] for path in made.science) < 4
