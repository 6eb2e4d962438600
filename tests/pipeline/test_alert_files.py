"""Files of alerts, whole and hostile: each part is an alert or one sentence, and the rest goes on."""

import gzip
import io
import json
import os
import struct
import tarfile
import zlib
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.surveys import packets
from pipeline.surveys.packets import holds_alerts
from tests.pipeline.packets import (
    SYNC,
    container,
    read,
    record,
    sized,
    small_packet,
    small_schema,
    write_avro,
    zigzag,
    ztf,
)

INT = {"type": "record", "name": "p", "fields": [{"name": "jd", "type": ["null", "double"]}]}


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def reasons(path: Path) -> list[str]:
    return [str(each) for each in read(path)[1]]


def refusal(path: Path, data: bytes) -> str:
    """Why a file of these bytes yields nothing."""
    path.write_bytes(data)
    alerts, refused = read(path)
    assert alerts == []
    (only,) = refused
    return only.reason


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_all_alerts_of_a_file_are_read_however_it_is_packed(tmp_path, codec):
    write_avro(tmp_path / "a.avro", [ztf(1), ztf(2), ztf(3)], codec=codec)
    alerts, refused = read(tmp_path / "a.avro")
    assert [alert.external_id for alert in alerts] == ["1", "2", "3"]
    assert refused == []


@pytest.mark.parametrize("codec", ["snappy", "zstandard"])
def test_two_codecs_are_pyarrows(tmp_path, codec):
    plain = small_packet()
    if codec == "snappy":
        packed = pyarrow.Codec("snappy").compress(plain, asbytes=True)
        packed += zlib.crc32(plain).to_bytes(4, "big")
    else:
        packed = pyarrow.Codec("zstd").compress(plain, asbytes=True)
    (tmp_path / "a.avro").write_bytes(container(small_schema(), packed, 1, codec))
    assert [alert.external_id for alert in read(tmp_path / "a.avro")[0]] == ["7"]
    assert "inflated" in refusal(tmp_path / "b.avro", container(small_schema(), b"rubbish", 1, codec))


def test_damage_costs_the_block_it_is_in(tmp_path):
    write_avro(tmp_path / "a.avro", [ztf(number) for number in range(1, 6)])
    data = bytearray((tmp_path / "a.avro").read_bytes())
    sync = bytes(data[-16:])
    places = [i for i in range(len(data) - 16) if data[i : i + 16] == sync]  # after the header and each block
    within, of_the_mark = (
        places[2] - 300,
        places[2] + 2,
    )  # of the second alert, and of what parts it from the next
    for lost, expected in ((within, ["1", "3", "4", "5"]), (of_the_mark, ["1", "4", "5"])):
        (tmp_path / "b.avro").write_bytes(data[:lost] + data[lost + 9 :])
        alerts, refused = read(tmp_path / "b.avro")
        assert [alert.external_id for alert in alerts] == expected
        assert [each.damaged for each in refused] == [True]


def test_a_file_that_is_cut_short_keeps_what_came(tmp_path):
    write_avro(tmp_path / "a.avro", [ztf(1), ztf(2)])
    data = (tmp_path / "a.avro").read_bytes()
    (tmp_path / "a.avro").write_bytes(data[:-100])
    alerts, (refused,) = read(tmp_path / "a.avro")
    assert [alert.external_id for alert in alerts] == ["1"]
    assert str(refused) == "after 1 alert: it ends in the middle: it is truncated or damaged"


def test_one_bad_alert_does_not_stop_the_others(tmp_path):
    packets = [ztf(1), ztf(2, ra=float("nan")), ztf(3, jd=2400000.6), ztf(4, isdiffpos="?"), ztf(5)]
    alerts, refused = read(write_avro(tmp_path / "a.avro", packets))
    assert [alert.external_id for alert in alerts] == ["1", "5"]
    assert [each.where for each in refused] == ["alert 2", "alert 3", "alert 4"]
    assert not any(each.damaged for each in refused)


def nested(kind: str, depth: int) -> bytes:
    before, after = (b'{"type":"array","items":', b"}") if kind == "list" else (b"[", b"]")
    return before * depth + b'"int"' + after * depth


LAUGHS = [{"name": "r0", "type": record("L0", [{"name": "a", "type": "int"}])}] + [
    {"name": f"r{i}", "type": record(f"L{i}", [{"name": name, "type": f"L{i - 1}"} for name in "ab"])}
    for i in range(1, 40)
]
ENDLESS = record("N", [{"name": "n", "type": ["null", "N"]}])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Obj\x01", "truncated"),
        (b"\0\0\0\0\x07" + small_packet(), "Confluent"),
        (small_packet(), "does not hold its schema"),
        (b"Obj\x01" + zigzag(1 << 40), "no end"),
        (b"Obj\x01" + zigzag(1) + zigzag(1 << 40), "cannot be"),
        (b"Obj\x01" + b"\xff" * 40, "no end"),
        (b"Obj\x01" + zigzag(0) + SYNC, "no schema"),
        (container(b'{"type":', b"", 1), "schema cannot be read"),
        (container(b'"int"', b"", 1), "no record"),
        (container(nested("list", 100), b"", 1), "nested more than"),
        (container(nested("list", 50_000), b"", 1), "schema cannot be read"),
        (container(nested("union", 200_000), b"", 1), "schema cannot be read"),
        (container(small_schema({"name": "n", "type": ENDLESS}), b"", 1), "refers to itself"),
        (container(small_schema(*LAUGHS), b"", 1), "unfolds"),
        (container(small_schema({"name": "n", "type": "Missing"}), b"", 1), "does not define"),
        (container(small_schema({"name": "n", "type": 5}), b"", 1), "neither name nor definition"),
        (container(record("a", []), b"", 1 << 50), "records of nothing"),
        (
            container(small_schema({"name": "n", "type": {"type": "array", "items": "null"}}), b"", 1),
            "list of nothing",
        ),
        (
            container(
                small_schema({"name": "n", "type": {"type": "fixed", "name": "F", "size": 1 << 40}}), b"", 1
            ),
            "impossible size",
        ),
        (
            container(record("survey.new", [{"name": "a", "type": "int"}]), b"", 1),
            "'survey.new', is of no survey",
        ),
        (container(small_schema(), small_packet(), 1, "lzma9"), "'lzma9'"),
        (container(small_schema(), b"\xff" * 50, 1, "deflate"), "inflated"),
        (container(small_schema(), deflated(b"\0" * (1 << 25)), 1, "deflate"), "more than"),
        (container(small_schema(), small_packet(), -1), "-1 alerts"),
        (container(small_schema(), small_packet(), 1 << 50), "claims"),
        (container(small_schema(), small_packet()[:-4], 1), "does not fit its schema"),
        (container(small_schema(), small_packet() + b"more", 1), None),
    ],
)
def test_hostile_files_are_one_sentence(tmp_path, data, reason):
    path = tmp_path / "a.avro"
    if reason is None:  # the alert is whole, what follows it is not
        path.write_bytes(data)
        alerts, (refused,) = read(path)
        assert (len(alerts), refused.reason) == (1, "a block holds more than its alerts")
        return
    told = refusal(path, data)
    assert reason in told
    assert "\n" not in told


def test_a_list_that_inflates_without_end_is_never_unfolded(tmp_path):
    past = {"name": "prv_candidates", "type": {"type": "array", "items": INT}}
    zeros = small_packet() + zigzag(1 << 26) + b"\0" * (1 << 23)
    assert "more than" in refusal(
        tmp_path / "a.avro", container(small_schema(past), deflated(zeros), 1, "deflate")
    )
    lie = small_packet() + zigzag(1 << 50)
    assert "ends too early" in refusal(tmp_path / "b.avro", container(small_schema(past), lie, 1))
    skipped = {"name": "m", "type": {"type": "map", "values": "null"}}
    assert "ends too early" in refusal(tmp_path / "c.avro", container(small_schema(skipped), lie, 1))


def test_names_in_a_schema_are_labels_and_nothing_else(tmp_path):
    odd = [{"name": name, "type": "int"} for name in ("\x1b[31m", "class", "", "candid", "objectId")]
    data = small_packet() + zigzag(1) * len(odd)
    (tmp_path / "a.avro").write_bytes(container(small_schema(*odd), data, 1))
    (alert,), refused = read(tmp_path / "a.avro")
    assert (alert.external_id, alert.object_id, refused) == ("7", "abc", [])


def test_text_that_is_no_utf8_is_replaced(tmp_path):
    packet = small_packet().replace(b"abc", b"a\xffc")
    (tmp_path / "a.avro").write_bytes(container(small_schema(), packet, 1))
    assert read(tmp_path / "a.avro")[0][0].object_id == "a\N{REPLACEMENT CHARACTER}c"


@settings(max_examples=60)
@given(st.data())
def test_no_change_of_a_byte_does_more_than_refuse(tmp_path_factory, data):
    whole = bytearray(container(small_schema(), small_packet(), 1))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.avro"
    path.write_bytes(whole)
    alerts, refused = read(path)
    assert len(alerts) <= 1
    assert all("\n" not in each.reason for each in refused)


# -- Parquet ---------------------------------------------------------------------------------------


def parquet(path: Path, packets: list[dict], **options) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(packets), path, **options)
    return path


def test_rows_of_parquet_are_the_same_alerts(tmp_path):
    packets = [ztf(1), ztf(2, prv_candidates=[{"jd": 2458999.5, "fid": 1, "pid": 3, "diffmaglim": 20.0}])]
    path = parquet(tmp_path / "a.parquet", packets, row_group_size=1)
    alerts, refused = read(path)
    assert refused == []
    assert [alert.external_id for alert in alerts] == ["1", "2"]
    assert [point.external_id for point in alerts[1].history] == ["limit.3"]
    assert alerts[0].cutouts == read(write_avro(tmp_path / "a.avro", [ztf(1)]))[0][0].cutouts
    renamed = tmp_path / "no-suffix"
    path.rename(renamed)
    assert holds_alerts(renamed)
    assert len(read(renamed)[0]) == 2


def test_parquet_that_is_none_or_anothers_is_one_sentence(tmp_path):
    assert "no Parquet file" in refusal(tmp_path / "a.parquet", b"PAR1" + b"\xff" * 300 + b"PAR1")
    (reason,) = reasons(parquet(tmp_path / "b.parquet", [{"a": 1}]))
    assert "no survey" in reason
    whole = bytearray(parquet(tmp_path / "c.parquet", [ztf(1)]).read_bytes())
    whole[100:3000] = b"\xff" * 2900
    (tmp_path / "c.parquet").write_bytes(whole)
    _, refused = read(tmp_path / "c.parquet")
    assert len(refused) == 1


# -- archives --------------------------------------------------------------------------------------

PACKET = container(small_schema(), small_packet(), 1)


def add(archive: tarfile.TarFile, name: str, data: bytes = PACKET, **facts) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in facts.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_parquet_within_an_archive_is_read_as_avro_is(tmp_path, name, monkeypatch):
    rows = parquet(tmp_path / "rows.parquet", [ztf(1), ztf(2)], row_group_size=1).read_bytes()
    with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as archive:
        add(archive, "night/a.avro")
        add(archive, "night/rows.parquet", rows)
        add(archive, "night/cut.parquet", rows[:-50])
        add(archive, "short", b"PAR")
        add(archive, "night/b.avro", container(small_schema(), small_packet(8), 1))
    alerts, refused = read(tmp_path / name)
    assert [alert.external_id for alert in alerts] == ["7", "1", "2", "8"]
    assert [(each.where, "Parquet" in each.reason) for each in refused] == [
        ("night/cut.parquet", True),
        ("short", False),
    ]
    monkeypatch.setattr(packets, "MOST_IN_MEMORY", len(rows) - 1)
    alerts, refused = read(tmp_path / name)
    assert [alert.external_id for alert in alerts] == ["7", "8"]
    assert "within an archive: unpack it there" in refused[0].reason


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz"])
def test_an_archive_is_read_through_and_what_leads_out_of_it_is_not(tmp_path, name):
    with tarfile.open(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as archive:
        folder = tarfile.TarInfo("night")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        add(archive, "night/a.avro")
        add(archive, "../../outside.avro")
        add(archive, "/etc/outside.avro")
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"kind{kind.decode()}")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        add(archive, "README", b"not an alert" * 300_000)
        add(archive, "night/b.avro", container(small_schema(), small_packet(8), 1))
    alerts, refused = read(tmp_path / name)
    assert [alert.external_id for alert in alerts] == ["7", "8"]
    assert [(each.where, each.reason) for each in refused[:6]] == [
        ("../../outside.avro", "its name leads out of the archive"),
        ("/etc/outside.avro", "its name leads out of the archive"),
        ("kind2", "it is a link"),
        ("kind1", "it is a link"),
        ("kind3", "it is no plain file"),
        ("kind6", "it is no plain file"),
    ]
    assert [each.where for each in refused[6:]] == ["README"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


class Zeros(io.RawIOBase):
    """So many zeros, none of them in memory."""

    def __init__(self, count: int) -> None:
        self.left = count

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def test_an_archive_that_inflates_without_end_is_left(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        add(archive, "first.avro")
        member = tarfile.TarInfo("zeros.avro")
        member.size = 1 << 27
        archive.addfile(member, Zeros(member.size))
    alerts, refused = read(tmp_path / "a.tar.gz")
    assert len(alerts) == 1
    assert "inflates to more than" in refused[-1].reason


def test_a_header_of_an_entry_that_has_no_end_is_left(tmp_path):
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, 1 << 30
    with gzip.open(tmp_path / "a.tar.gz", "wb") as stream:
        stream.write(member.tobuf(tarfile.USTAR_FORMAT))
        stream.write(b"9" * (1 << 23))
    (refused,) = read(tmp_path / "a.tar.gz")[1]
    assert "header of an entry has no end" in refused.reason


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_cut_archive_keeps_what_came_and_says_that_it_is_damaged(tmp_path, share):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for number in range(20):
            body = sized(b"abc") + zigzag(number + 1) + struct.pack("<6d", 2459000.5, 10, 10, 18, 0.1, 9)
            noise = json.dumps([hash((number, i)) for i in range(300)]).encode()
            schema = small_schema({"name": "noise", "type": "bytes"})
            add(archive, f"{number}.avro", container(schema, body + zigzag(1) * 2 + sized(noise), 1))
    whole = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(whole[: int(share * len(whole))])
    alerts, refused = read(tmp_path / "a.tar.gz")
    assert 20 * share - 5 <= len(alerts) <= 20 * share + 3
    assert any(each.damaged for each in refused)


def test_a_file_is_one_of_alerts_by_its_name_or_its_first_bytes(tmp_path):
    for name, data, expected in [
        ("a.avro", b"", True),
        ("b.TAR.GZ", b"", True),
        ("c", b"Obj\x01...", True),
        ("d", b"PAR1...", True),
        ("e.fits", b"SIMPLE  =", False),
        ("f.fits.gz", gzip.compress(b"SIMPLE  ="), False),
        ("g.txt", b"", False),
    ]:
        (tmp_path / name).write_bytes(data)
        assert holds_alerts(tmp_path / name) == expected, name
    with tarfile.open(tmp_path / "h", "w") as archive:
        add(archive, "a.avro")
    assert holds_alerts(tmp_path / "h")
    assert not holds_alerts(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe.avro")
    os.mkfifo(tmp_path / "pipe")
    assert not holds_alerts(tmp_path / "pipe")
    assert reasons(tmp_path / "pipe.avro") == ["it is no plain file"]
    (refused,) = read(tmp_path / "none.avro")[1]
    assert (refused.reason, refused.damaged) == ("it cannot be read: No such file or directory", True)
