"""Alert packets that tests write themselves: as surveys do, and as nobody should."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from astropy.io import fits

from core.surveys.alert import AlertFacts
from pipeline.surveys.packets import read_alerts
from pipeline.surveys.refusal import Refused

JD = 2459000.5  # MJD 59000
SIDE = 63
SYNC = b"S" * 16

Schema = dict[str, Any]


def optional(kind: Any) -> Schema:
    return {"type": ["null", kind], "default": None}


CUTOUT = {
    "type": "record",
    "name": "cutout",
    "namespace": "ztf.alert",
    "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
}
PAST = [
    {"name": "jd", "type": "double"},
    {"name": "fid", "type": "int"},
    {"name": "pid", "type": "long"},
    {"name": "programpi", **optional("string")},
    {"name": "diffmaglim", **optional("float")},
    {"name": "candid", **optional("long")},
    {"name": "isdiffpos", **optional("string")},
    {"name": "magpsf", **optional("float")},
    {"name": "sigmapsf", **optional("float")},
]
CANDIDATE = [
    {"name": "jd", "type": "double"},
    {"name": "fid", "type": "int"},
    {"name": "pid", "type": "long"},
    {"name": "rcid", "type": "int"},
    {"name": "candid", "type": "long"},
    {"name": "isdiffpos", "type": "string"},
    {"name": "pdiffimfilename", **optional("string")},
    {"name": "ra", "type": "double"},
    {"name": "dec", "type": "double"},
    {"name": "xpos", **optional("float")},
    {"name": "ypos", **optional("float")},
    {"name": "magpsf", "type": "float"},
    {"name": "sigmapsf", "type": "float"},
    {"name": "scorr", **optional("double")},
    {"name": "rb", **optional("float")},
    {"name": "drb", **optional("float")},
    {"name": "ssdistnr", **optional("float")},
    {"name": "ssmagnr", **optional("float")},
    {"name": "ssnamenr", **optional("string")},
    {"name": "nbad", **optional("int")},
    {"name": "exptime", **optional("float")},
]
FORCED = [
    {"name": "jd", "type": "double"},
    {"name": "fid", "type": "int"},
    {"name": "pid", "type": "long"},
    {"name": "magzpsci", **optional("float")},
    {"name": "forcediffimflux", **optional("float")},
    {"name": "forcediffimfluxunc", **optional("float")},
]


def record(name: str, fields: Sequence[Schema]) -> Schema:
    return {"type": "record", "name": name, "fields": list(fields)}


ZTF_SCHEMA: Schema = {
    "type": "record",
    "name": "alert",
    "namespace": "ztf",
    "version": "4.02",
    "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "publisher", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": record("ztf.alert.candidate", CANDIDATE)},
        {"name": "prv_candidates", **optional({"type": "array", "items": record("prv_candidate", PAST)})},
        {"name": "fp_hists", **optional({"type": "array", "items": record("fp_hist", FORCED)})},
        {"name": "cutoutScience", **optional(CUTOUT)},
        {"name": "cutoutTemplate", **optional("ztf.alert.cutout")},
        {"name": "cutoutDifference", **optional("ztf.alert.cutout")},
    ],
}


def stamp(
    peak: float = 100.0, *, side: int = SIDE, zipped: bool = True, seed: int = 0, **cards: Any
) -> bytes:
    """A FITS cutout: a source in the middle of noise of sigma 5 about a sky of 200."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] - side // 2
    image = random.normal(200.0, 5.0, (side, side)) + peak * np.exp(-(rows**2 + columns**2) / 8.0)
    return as_fits(image.astype(np.float32), zipped=zipped, **cards)


def as_fits(image: np.ndarray, *, zipped: bool = True, **cards: Any) -> bytes:
    stream = io.BytesIO()
    fits.PrimaryHDU(image, fits.Header(cards)).writeto(stream)
    return gzip.compress(stream.getvalue()) if zipped else stream.getvalue()


def cutout(data: bytes, name: str = "a.fits.gz") -> dict[str, Any]:
    return {"fileName": name, "stampData": data}


def past(days: float, **facts: Any) -> dict[str, Any]:
    """One entry of `prv_candidates`, some days before the alert: a limit unless it has a magnitude."""
    entry = {"jd": JD - days, "fid": 2, "pid": int(1000 - days), "diffmaglim": 20.5}
    return {name["name"]: None for name in PAST} | entry | facts


def ztf(candid: int = 1, **facts: Any) -> dict[str, Any]:
    """A packet of ZTF; facts of the candidate's own record by name, others by theirs."""
    body = {
        "jd": JD, "fid": 2, "pid": 1000, "rcid": 5, "candid": candid, "isdiffpos": "t",
        "pdiffimfilename": "/a/ztf_2020_scimrefdiffimg.fits", "ra": 150.0, "dec": 2.0, "xpos": 11.0,
        "ypos": 21.0, "magpsf": 18.0, "sigmapsf": 0.125, "scorr": 11.5, "rb": 0.75, "drb": 0.5,
        "ssdistnr": -999.0, "ssmagnr": -999.0, "ssnamenr": "null", "nbad": 0, "exptime": 30.0,
    }  # fmt: skip
    inner = {name: facts.pop(name) for name in list(facts) if name in body}
    packet = {
        "schemavsn": "4.02",
        "publisher": "ZTF",
        "objectId": f"ZTF20test{candid}",
        "candid": candid,
        "prv_candidates": None,
        "fp_hists": None,
        "cutoutScience": cutout(stamp()),
        "cutoutTemplate": cutout(stamp(0.0)),
        "cutoutDifference": cutout(stamp(100.0)),
    }
    return packet | facts | {"candidate": body | inner}


def write_avro(
    path: Path, packets: Sequence[dict[str, Any]], schema: Schema = ZTF_SCHEMA, codec: str = "null"
) -> Path:
    """Write an object container file, a block for each packet."""
    with path.open("wb") as stream:
        fastavro.writer(stream, schema, packets, codec, sync_interval=1)
    return path


def container(schema: Schema | bytes, body: bytes, count: int, codec: str = "null") -> bytes:
    """An object container file of one block, whatever it says of itself."""
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    metadata = zigzag(2) + sized(b"avro.schema") + sized(text) + sized(b"avro.codec") + sized(codec.encode())
    return b"Obj\x01" + metadata + zigzag(0) + SYNC + zigzag(count) + sized(body) + SYNC


def small_schema(*more: Schema) -> Schema:
    """What makes a packet one of ZTF's, and more fields."""
    names = ("jd", "ra", "dec", "magpsf", "sigmapsf", "scorr")
    body = [{"name": name, "type": "double"} for name in names]
    body += [{"name": name, "type": "int"} for name in ("fid", "rcid")]
    fields = [
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": record("c", body)},
    ]
    return record("a", [*fields, *more])


def small_packet(candid: int = 7) -> bytes:
    """The data of a packet of `small_schema` without more."""
    values = struct.pack("<6d", JD, 10.0, 10.0, 18.0, 0.1, 9.0)
    return sized(b"abc") + zigzag(candid) + values + zigzag(1) + zigzag(1)


def zigzag(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    written = b""
    while number > 0x7F:
        written += bytes([number & 0x7F | 0x80])
        number >>= 7
    return written + bytes([number])


def sized(data: bytes) -> bytes:
    return zigzag(len(data)) + data


def read(path: Path, cutout_px: int = SIDE) -> tuple[list[AlertFacts], list[Refused]]:
    """The alerts of a file, and what of it is refused."""
    found = list(read_alerts(path, cutout_px=cutout_px, radius_arcsec=1.0))
    alerts = [each for each in found if isinstance(each, AlertFacts)]
    return alerts, [each for each in found if isinstance(each, Refused)]
