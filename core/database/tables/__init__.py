"""The tables of the store, the same on SQLite and PostgreSQL.

Times of the sky are ``mjd`` (UTC, at mid-exposure). Times of book-keeping are ``float`` Unix
seconds, UTC. Angles are degrees; pixels are 0-based pixel centres. Text columns keep what came
from outside unchanged: whoever shows it passes it through `core.text` first.
"""

from core.database.tables.frames import (
    Difference,
    ForcedFlux,
    Observation,
    Reference,
    Rejection,
    ScoreMap,
    StageRun,
    Thumbnail,
)
from core.database.tables.models import Promotion, TrainedModel
from core.database.tables.operations import (
    HealthEvent,
    PowerDevice,
    PowerSample,
    QueueEvent,
    Run,
    WatchedFile,
    WatchedFolder,
)
from core.database.tables.review import (
    Assignment,
    InjectedSource,
    Injection,
    OpenCard,
    SavedFilter,
    Verdict,
    tagged,
)
from core.database.tables.sky import (
    KNOWN_KINDS,
    Candidate,
    CandidateMatch,
    Cutout,
    Scoring,
    SkyObject,
    SurveyFlux,
    SurveyObject,
    Tracklet,
    TrackletMember,
    has_feature,
    known_status,
)

__all__ = [
    "KNOWN_KINDS",
    "Assignment",
    "Candidate",
    "CandidateMatch",
    "Cutout",
    "Difference",
    "ForcedFlux",
    "HealthEvent",
    "InjectedSource",
    "Injection",
    "Observation",
    "OpenCard",
    "PowerDevice",
    "PowerSample",
    "Promotion",
    "QueueEvent",
    "Reference",
    "Rejection",
    "Run",
    "SavedFilter",
    "ScoreMap",
    "Scoring",
    "SkyObject",
    "StageRun",
    "SurveyFlux",
    "SurveyObject",
    "Thumbnail",
    "Tracklet",
    "TrackletMember",
    "TrainedModel",
    "Verdict",
    "WatchedFile",
    "WatchedFolder",
    "has_feature",
    "known_status",
    "tagged",
]
