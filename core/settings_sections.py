"""The tables of the configuration file, one class each: their keys, defaults and limits."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from core.header_words import unread
from core.login import refusal
from core.settings_values import usable


class Section(BaseModel):
    """A table of the configuration file: unknown keys are errors, numbers finite, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _usable(cls, value: Any) -> Any:
        return usable(value)


def _keyword(value: str) -> str:
    """A keyword of FITS headers: of eight characters, or a long one of ESO's convention."""
    word = value.strip().upper()
    if word == "END" or not re.fullmatch(r"[A-Z0-9_-]{1,8}|HIERARCH [A-Z0-9_.\- ]{1,66}", word):
        raise ValueError(
            f"{word[:40]!r} is no keyword of a FITS header: 8 letters at most, or HIERARCH and words"
        )
    return word


class StoreSettings(Section):
    """Where candidates and verdicts live."""

    url: str = ""  # empty: SQLite in AstrID's home


class QueueSettings(Section):
    """How frames are claimed and tried again."""

    lease_s: float = Field(300.0, gt=0)
    attempts: int = Field(3, ge=1)
    retry_s: float = Field(30.0, ge=0)
    store_wait_s: float = Field(300.0, ge=0)  # for a server that is away, before a run gives up


class RunSettings(Section):
    """What a run may take of its machine."""

    threads: int = Field(0, ge=0)  # of one frame; 0: the cores it may use, divided by the workers


Keyword = Annotated[str, AfterValidator(_keyword)]


class CameraSettings(Section):
    """What the camera is like, where headers are silent. 0 means unknown."""

    gain: float = Field(0.0, ge=0)  # electrons per count
    read_noise: float = Field(0.0, ge=0)  # electrons
    saturation: float = Field(0.0, ge=0)  # data units
    cadence_s: float = Field(0.0, ge=0)  # between two frames; 0: as the watched folders find it
    keywords: dict[Keyword, Keyword] = Field(default_factory=dict)  # what AstrID reads, and where it stands

    @field_validator("keywords")
    @classmethod
    def _read(cls, keywords: dict[str, str]) -> dict[str, str]:
        if (wrong := unread(keywords)) is not None:
            raise ValueError(wrong)
        return keywords


Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=360)]


class SiteSettings(Section):
    """Where the telescope stands; it tells when the night is."""

    position: tuple[Latitude, Longitude] | tuple[()] = ()  # degrees, north and east; empty: not known


class CalibrateSettings(Section):
    """From raw counts to electrons."""

    cosmic_rays: bool = True
    cosmic_ray_sigma: float = Field(6.0, gt=0)
    background_mesh_px: int = Field(64, ge=8)
    flat_error: float = Field(0.002, ge=0)  # relative error that a flat leaves
    keep_gib: float = Field(10.0, ge=0)  # of masters; those not used for longest go


class QualitySettings(Section):
    """What a frame must be to be worth a subtraction."""

    max_seeing_px: float = Field(15.0, gt=0)
    min_stars: int = Field(10, ge=0)
    max_masked_fraction: float = Field(0.8, gt=0, le=1)
    max_wcs_offset_arcsec: float = Field(5.0, gt=0)  # from a catalogue's stars, where there is one
    reject_wcs_offset: bool = False  # else the frame is processed, and says so


class AlignSettings(Section):
    """Bringing a frame onto its reference's grid."""

    max_rms_px: float = Field(0.5, gt=0)
    min_matched: int = Field(6, ge=3)


class SubtractSettings(Section):
    """The subtraction itself."""

    method: Literal["zogy", "classic"] = "zogy"
    tile_px: int = Field(640, ge=64)
    psf_degree: int = Field(4, ge=0, le=4)
    device: Literal["cpu", "cuda"] = "cpu"


class DetectSettings(Section):
    """What is significant."""

    threshold: float = Field(5.0, gt=0)
    max_candidates: int = Field(2000, ge=1)
    unet: bool = True  # objects that the U-Net sees are candidates too


class DepthSettings(Section):
    """Injected sources that tell how faint a new source may be and still be found."""

    enabled: bool = True
    sources: int = Field(300, ge=40, le=10_000)  # in a frame at most; smaller frames hold fewer


class ClassifySettings(Section):
    """What models score."""

    alerts: bool = True  # survey alerts too, as they come in


class FakesSettings(Section):
    """Injected sources among the cards of the review, told apart only after the verdict."""

    share: float = Field(0.0, ge=0, le=0.5)  # of the cards; 0: none
    snr: tuple[float, float] = (4.5, 30.0)  # as they are drawn, evenly in the logarithm
    host_share: float = Field(0.5, ge=0, le=1)  # beside galaxies of the reference, the others anywhere

    @model_validator(mode="after")
    def _in_order(self) -> "FakesSettings":
        faintest, brightest = self.snr
        if not 1.0 <= faintest < brightest <= 1000.0:
            raise ValueError("snr is two numbers of 1 to 1000, the smaller first")
        return self


class CutoutSettings(Section):
    """What a reviewer sees."""

    size_px: int = Field(63, ge=15, le=255)


class AssociateSettings(Section):
    """Which candidates are the same object."""

    radius_arcsec: float = Field(1.0, gt=0)


class CatalogSettings(Section):
    """How far from a candidate something known may be and still be told as its match; and zeropoints."""

    star_arcsec: float = Field(10.0, gt=0)
    variable_arcsec: float = Field(5.0, gt=0)
    transient_arcsec: float = Field(5.0, gt=0)
    galaxy_sizes: float = Field(5.0, gt=0)  # in units of the galaxy's own size in that direction
    galaxy_arcsec: float = Field(10.0, gt=0)  # where its catalogue gives no size
    solar_arcsec: float = Field(10.0, gt=0)  # besides three times the uncertainty of the orbit
    reference_arcsec: float = Field(10.0, gt=0)
    colour_term: bool = False  # of zeropoints, where the stars' catalogue has a second band


class TrackletSettings(Section):
    """What moves within a night."""

    min_arcsec_hour: float = Field(3.0, gt=0)
    max_arcsec_hour: float = Field(900.0, gt=0)
    max_gap_hours: float = Field(3.0, gt=0)  # between the first two detections
    false_share: float = Field(0.02, gt=0, le=1)  # of all tracklets that are told, those of chance
    max_mag_difference: float = Field(0.4, gt=0)  # besides three times the errors; of one filter


class DriftSettings(Section):
    """What nights `astrid models drift` compares, and what it calls drift."""

    nights: int = Field(3, ge=1)  # the newest
    reference_nights: int = Field(10, ge=1)  # the first since the models in use were promoted
    psi: float = Field(0.2, gt=0)  # population stability index, at least
    p: float = Field(0.01, gt=0, lt=1)  # by chance, corrected for the number of distributions, at most
    decisions: int = Field(500, ge=1)  # of people, that a model did not learn of, before it should


class MlflowSettings(Section):
    """Where MLflow keeps the files of trainings and models; its server is ``MLFLOW_TRACKING_URI``."""

    artifacts: str = ""  # such as s3://bucket/folder; empty: in AstrID's home, or as the server says
    s3_endpoint: str = ""  # such as https://ACCOUNT.r2.cloudflarestorage.com; empty: Amazon's
    s3_region: str = ""  # such as auto, for Cloudflare R2; keys are AWS_ACCESS_KEY_ID's and ..._SECRET_...


class DramatiqSettings(Section):
    """Where workers on other machines are told that frames are due."""

    broker: SecretStr = SecretStr("")  # such as redis://host:6379/0; empty: there are none


class PowerSettings(Section):
    """How power is measured, and how long it is remembered."""

    enabled: bool = True
    devices: tuple[str, ...] = ()  # such as gpu0, cpu0, dram0; empty: all there are
    sample_s: float = Field(1.0, ge=0.1)
    write_s: float = Field(5.0, ge=0)  # samples go to the store in batches
    keep_days: float = Field(7.0, gt=0)


class HealthSettings(Section):
    """How often AstrID looks at its own health, and from when on something is wrong."""

    look_s: float = Field(30.0, ge=1)  # between two looks of whatever is at work
    low_disk_gib: float = Field(2.0, ge=0)  # free, warned of below
    full_disk_gib: float = Field(0.25, ge=0)  # free, failed below
    clock_error_s: float = Field(60.0, gt=0)
    queue_age_s: float = Field(3600.0, gt=0)  # of the oldest frame that is due
    silent_s: float = Field(180.0, gt=0)  # a run at work says so once a minute
    lost_run_s: float = Field(86400.0, gt=0)  # how long a lost run is told of
    missed_frames: float = Field(5.0, ge=1)  # so many times the camera's cadence without a frame
    night_sun_deg: float = Field(-12.0, ge=-18, le=0)  # the Sun's altitude when frames are expected
    gpu_celsius: float = Field(85.0, gt=0)


class AlertSettings(Section):
    """Whom to tell of trouble besides the console; nobody, unless named here."""

    command: tuple[str, ...] = ()  # a program and its arguments, run without a shell
    urls: tuple[SecretStr, ...] = ()  # services as Apprise names them, such as mailto://...
    least: Literal["warning", "failed"] = "warning"
    quiet_s: float = Field(1800.0, ge=0)  # trouble that comes and goes is told of once in so long
    per_hour: int = Field(12, ge=1)  # messages to each of them
    timeout_s: float = Field(20.0, gt=0)


class ReviewSettings(Section):
    """The review screen."""

    reviewer: str = ""  # empty: the login name
    theme: Literal["dark", "light", "dome"] = "dark"
    drawing: Literal["auto", "kitty", "sixel", "half", "grey", "braille", "ascii"] = "auto"
    stretch: Literal["linear", "asinh", "log", "zscale", "percentile", "histogram"] = "asinh"
    blind: bool = False  # what others said of an object is hidden until it is decided
    again_share: float = Field(default=0.02, ge=0, le=0.5)  # of cards, shown again blind
    again_after_s: float = Field(default=3600.0, ge=0)
    experts: tuple[str, ...] = ()
    votes: int = Field(default=2, ge=1)  # that confirm an object without an expert
    open_card_s: float = Field(default=120.0, ge=10)  # others are told for so long that a card is open
    seen_again_score: float = Field(default=0.9, ge=0, le=1)  # what was bogus comes back at this score and
    seen_again_snr: float = Field(default=2.0, ge=1)  # so many times the significance that was judged
    notify: Literal["off", "bell", "desktop"] = "off"  # when something of a high score arrives
    notify_above: float = Field(default=0.996, ge=0)  # that score: as of the zone "fast"
    notify_every_s: float = Field(default=60.0, ge=1)  # at most once in so long

    @field_validator("reviewer", "experts")
    @classmethod
    def _are_names(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in (value,) if isinstance(value, str) else value:
            if (why := refusal(name)) is not None:
                raise ValueError(why)
        return value


class LogSettings(Section):
    """AstrID's log of what it does."""

    keep_mib: float = Field(
        64.0, ge=1
    )  # of pipeline.log with the older ones, and of the logs of detached runs: the oldest go


class TnsSettings(Section):
    """How the Transient Name Server knows this site: its own numbers, as text. For reports in a file."""

    reporter: str = ""  # names, as they shall be published
    observer: str = ""
    reporting_group_id: str = ""
    data_source_group_id: str = ""
    instrument_id: str = ""
    source: str = "astrid"  # whose measurements these are the numbers of: a survey's for its broker
    filters: dict[str, str] = Field(default_factory=dict)  # the number of each band
    units: dict[str, str] = Field(default_factory=lambda: {"ab": "1"})  # of each system of magnitudes


class MpcSettings(Section):
    """How the Minor Planet Center knows this site. For reports in a file."""

    station: str = ""  # the observatory's code
    submitter: str = ""  # names, such as "A. Observer"
    observers: tuple[str, ...] = ()
    measurers: tuple[str, ...] = ()
    design: str = ""  # of the telescope, such as Reflector
    aperture_m: float = Field(0.0, ge=0)
    detector: str = ""  # such as CCD
    astrometric_catalog: str = ""  # that WCS rest on, by the MPC's name: Gaia3
    photometric_catalog: str = ""
    bands: dict[str, str] = Field(default_factory=dict)  # the MPC's name of each filter


class ConsoleSettings(Section):
    """The console as a whole."""

    clock: Literal["seconds", "minutes", "off"] = "minutes"  # each change of it is sent to the terminal
    mouse: Literal["auto", "on", "off"] = "auto"  # auto: not over SSH
    resume: bool = True  # begin where the last console was left
