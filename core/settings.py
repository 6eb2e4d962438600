"""Settings: one TOML file, any key overridable by environment, checked before anything runs."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

from core.errors import AstridError
from core.settings_file import find_file, may_be_anybodys
from core.settings_sections import (
    AlertSettings,
    AlignSettings,
    AssociateSettings,
    CalibrateSettings,
    CameraSettings,
    CatalogSettings,
    ClassifySettings,
    ConsoleSettings,
    CutoutSettings,
    DepthSettings,
    DetectSettings,
    DramatiqSettings,
    DriftSettings,
    FakesSettings,
    HealthSettings,
    LogSettings,
    MlflowSettings,
    MpcSettings,
    PowerSettings,
    QualitySettings,
    QueueSettings,
    ReviewSettings,
    RunSettings,
    SiteSettings,
    StoreSettings,
    SubtractSettings,
    TnsSettings,
    TrackletSettings,
)
from core.settings_values import usable
from core.settings_variables import stray_variable, too_deep, variables_of
from core.settings_words import key_parts, plain_message
from core.text import safe_text
from core.vocabulary import ExitCode

__all__ = ["Settings", "SettingsError", "find_file", "load"]


MOST_KEY = 80  # characters of a key that are told


class SettingsError(AstridError):
    """The configuration cannot be used."""

    exit_code = ExitCode.UNAVAILABLE


class Settings(BaseSettings):
    """All settings, by section."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="ASTRID_",
        env_nested_delimiter="__",
        env_ignore_empty=True,  # as a script sets what it has no value for; the home is not where one stands
    )

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("astrid")))
    store: StoreSettings = StoreSettings()
    queue: QueueSettings = QueueSettings()
    run: RunSettings = RunSettings()
    camera: CameraSettings = CameraSettings()
    site: SiteSettings = SiteSettings()
    calibrate: CalibrateSettings = CalibrateSettings()
    quality: QualitySettings = QualitySettings()
    align: AlignSettings = AlignSettings()
    subtract: SubtractSettings = SubtractSettings()
    detect: DetectSettings = DetectSettings()
    depth: DepthSettings = DepthSettings()
    fakes: FakesSettings = FakesSettings()
    cutout: CutoutSettings = CutoutSettings()
    classify: ClassifySettings = ClassifySettings()
    associate: AssociateSettings = AssociateSettings()
    catalogs: CatalogSettings = CatalogSettings()
    tracklets: TrackletSettings = TrackletSettings()
    drift: DriftSettings = DriftSettings()
    mlflow: MlflowSettings = MlflowSettings()
    dramatiq: DramatiqSettings = DramatiqSettings()
    power: PowerSettings = PowerSettings()
    health: HealthSettings = HealthSettings()
    alerts: AlertSettings = AlertSettings()
    review: ReviewSettings = ReviewSettings()
    logs: LogSettings = LogSettings()
    tns: TnsSettings = TnsSettings()
    mpc: MpcSettings = MpcSettings()
    console: ConsoleSettings = ConsoleSettings()
    keys: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # of the console's actions, by their ids

    @field_validator("keys", mode="before")
    @classmethod
    def _one_or_more(cls, keys: Any) -> Any:
        """One key may be written without a list around it."""
        if not isinstance(keys, dict):
            return keys
        return {action: (given,) if isinstance(given, str) else given for action, given in keys.items()}

    @field_validator("home")
    @classmethod
    def _of_the_user(cls, home: Path) -> Path:
        """``~`` is the user's own folder, as a shell has it; else it begins where the command was given.

        Whole, since workers and other processes may stand elsewhere.
        """
        try:
            usable(str(home))
            return home.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(f"there is no such user's folder: {home}") from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, the file over the defaults."""
        return env_settings, init_settings

    @property
    def store_url(self) -> str:
        """The URL of the store, SQLite in `home` unless another is set."""
        return self.store.url or f"sqlite:///{self.home / 'astrid.db'}"

    @property
    def science_hash(self) -> str:
        """A short hash of every setting that changes what is found in a frame.

        How the depth is measured changes nothing of that, and so makes no other version of a difference;
        nor does how much room masters may take.
        """
        unscientific = {"cadence_s"} if self.camera.keywords else {"cadence_s", "keywords"}
        science = self.model_dump(
            mode="json",
            include={"camera", "calibrate", "quality", "align", "subtract", "detect", "cutout"},
            exclude={"camera": unscientific, "calibrate": {"keep_gib"}, "subtract": {"device"}},
        )
        return hashlib.sha256(json.dumps(science, sort_keys=True).encode()).hexdigest()[:16]


def load(explicit: Path | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    explicit : Path, optional
        A configuration file named on the command line.

    Raises
    ------
    SettingsError
        The file cannot be read, is no TOML, or holds a key or value that is not allowed; or it names a
        program to run, may be another user's, and nobody named it.
    """
    path = find_file(explicit)
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"cannot read the configuration {path}: {error.strerror or error}") from error
        except RecursionError:
            raise SettingsError(f"cannot read the configuration {path}: it is nested too deeply") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"cannot read the configuration {path}: {error}") from error
        except ValueError:
            raise SettingsError(
                f"cannot read the configuration {path}: it holds a number of thousands of digits"
            ) from None
        if explicit is None and _runs_a_program(values) and may_be_anybodys(path):
            raise SettingsError(
                f"the command of [alerts] in {path.absolute()} is not run: others can write that file;"
                f" --config {path} obeys it all the same"
            )
    if stray := stray_variable(Settings.model_fields.keys() - {"home"}):
        raise SettingsError(stray)
    try:
        return Settings(**values)
    except UnreadableVariable as error:
        section = re.search(r'field "(\w+)"', str(error))
        names = ", ".join(variables_of(section[1] if section else ""))
        raise SettingsError(
            f'{names} in the environment cannot be read: a list is written as ["a", "b"], a section as JSON'
        ) from error
    except RecursionError:
        names = ", ".join(too_deep())
        raise SettingsError(f"{names} in the environment cannot be read: it is nested too deeply") from None
    except ValidationError as error:
        first = error.errors()[0]
        parts, what = key_parts(first["loc"]), plain_message(first)
        key = safe_text(".".join(parts), MOST_KEY)
        if first["type"] == "extra_forbidden":
            where = f"{given[0]} in the environment" if (given := variables_of(*parts)) else str(path)
            raise SettingsError(f"{where}: there is no key '{key}'") from error
        if given := variables_of(*parts):  # the environment wins over the file
            raise SettingsError(f"{given[0]} in the environment: {what}") from error
        place = path or "the settings"
        raise SettingsError(f"configuration key '{key}' in {place}: {what}") from error


def _runs_a_program(values: Mapping[str, Any]) -> bool:
    alerts = values.get("alerts")
    return isinstance(alerts, dict) and bool(alerts.get("command"))
