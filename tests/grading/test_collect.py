"""What platforms export reaches submitted/, whatever else is in it; nothing gets out of its place, nothing is lost."""

import csv
import io
import os
import re
import stat
import zipfile
from datetime import UTC, datetime

import pytest
import tiny_homework
from nbgrader.utils import parse_utc
from typer.testing import CliRunner

from deepul_utils.checks.question import QUESTIONS, Question
from deepul_utils.cli import app
from deepul_utils.grading import collect as collecting
from deepul_utils.grading import unpack
from deepul_utils.grading.collect import PlatformNames, collect, table
from deepul_utils.grading.roster import Roster, RosterError
from deepul_utils.grading.unpack import CollectError

WEEK = "week1_sums"
MOODLE = "Jane Doe_12345_assignsubmission_file_"
EARLY, LATE = (2026, 3, 1, 10, 0, 0), (2026, 3, 2, 11, 30, 0)


def zipped(path, *members):
    """A zip of (name, content) or (name, content, time); a path of None gives its bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, *when in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, *(when or [EARLY]))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    if path is None:
        return buffer.getvalue()
    path.write_bytes(buffer.getvalue())
    return path


@pytest.fixture
def run(tmp_path):
    """Collect members of a zip, or a source, into a course; what is then in submitted/, and what was said."""

    def run(*members, source=None, roster=None):
        source = source or zipped(tmp_path / "export.zip", *members)
        collected, said = collect(tmp_path / "course", WEEK, source, ["sums", "products"], roster)
        assert not list((tmp_path / "course").glob(".collect-*"))
        return files(tmp_path / "course" / "submitted"), said, collected

    return run


def files(folder):
    found = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
    return {name: text for name, text in found.items() if not name.endswith("timestamp.txt")}


def test_weights_come_through_under_their_own_name(run, monkeypatch):
    def check(student, case, seed, weights):
        """Judged elsewhere."""

    monkeypatch.setitem(QUESTIONS, "sums.trained", Question("sums.trained", 1, (), check, "Adder"))
    hand_in = zipped(None, ("sums.ipynb", "{}"), ("Adder.safetensors", "tensors"))
    got, said, _ = run(
        ("ada_1_2_sums_hand_in.zip", hand_in),
        ("bob_3_4_adder-1.safetensors", "his"),
        ("bob_3_5_sums.safetensors", "another"),
    )
    assert got == {
        f"ada_1/{WEEK}/sums.ipynb": "{}",
        f"ada_1/{WEEK}/Adder.safetensors": "tensors",
        f"bob_3/{WEEK}/Adder.safetensors": "his",
        f"bob_3/{WEEK}/sums.safetensors": "another",
    }
    assert said[0] == "'sums.safetensors' of bob_3 is none of the week's weights: Adder"


def test_weights_that_are_too_large_stay_behind(run, monkeypatch):
    monkeypatch.setattr(unpack, "FILE_LIMIT", 1000)
    got, said, _ = run(("ada_1_2_sums.ipynb", "{}"), ("ada_1_3_sums.safetensors", os.urandom(2000)))
    assert list(got) == [f"ada_1/{WEEK}/sums.ipynb"]
    assert "is larger than 0 MB, so it was left out" in said[0]


def test_canvas(run):
    found, said, _ = run(
        ("doejane_LATE_123_456_sums-1.ipynb", "jane's"),
        ("doejane_124_457_sums.ipynb", "another jane's"),
        ("roeann_7_9_Copy of Sums (2).ipynb", "ann's"),
        ("roeann_7_10_products_hand_in.zip", zipped(None, ("products.ipynb", "ann's products"))),
    )
    assert found == {
        f"doejane_123/{WEEK}/sums.ipynb": "jane's",
        f"doejane_124/{WEEK}/sums.ipynb": "another jane's",
        f"roeann_7/{WEEK}/sums.ipynb": "ann's",
        f"roeann_7/{WEEK}/products.ipynb": "ann's products",
    }
    assert said == [
        "Canvas exports no time of handing in, so nbgrader takes no late penalty off: let Canvas do that",
        "late, says Canvas: doejane_123",
    ]


def test_canvas_has_no_timestamp_since_its_zip_has_only_the_time_of_the_download(run, tmp_path):
    run(("doejane_123_456_sums.ipynb", "x"))
    assert not list(tmp_path.rglob("timestamp.txt"))


@pytest.mark.parametrize("name", [f"{MOODLE}/sums.ipynb", f"{MOODLE}sums.ipynb", f"export/{MOODLE}/sums.ipynb"])
def test_moodle(run, tmp_path, name):
    found, said, _ = run((name, "jane's", LATE))
    assert (found, said) == ({f"Jane Doe_12345/{WEEK}/sums.ipynb": "jane's"}, [])
    stamp = (tmp_path / f"course/submitted/Jane Doe_12345/{WEEK}/timestamp.txt").read_text()
    assert parse_utc(stamp.strip()).replace(tzinfo=UTC) == datetime(*LATE).astimezone(UTC)


def test_a_folder_with_students_own_zips_and_clutter(run, tmp_path):
    source = tmp_path / "class"
    (source / "Zoë").mkdir(parents=True)
    (source / "ben").mkdir()
    (source / "Zoë/sums.ipynb").write_text("zoë's")
    zipped(source / "ben/sums_hand_in.zip", ("sums.ipynb", "ben's"), ("__MACOSX/._sums.ipynb", "?"))
    (source / "ben/.DS_Store").write_text("?")
    (source / "ben/notes.pdf").write_text("?")
    (source / "sums.ipynb").write_text("whose?")
    found, said, _ = run(source=source)
    assert found == {f"Zoë/{WEEK}/sums.ipynb": "zoë's", f"ben/{WEEK}/sums.ipynb": "ben's"}
    assert sorted(said) == [
        f"'notes.pdf' of ben is no notebook: it stays in {source}",
        f"'sums.ipynb' in {source} belongs to nobody: put it into a folder with its student's name",
    ]


def test_a_notebook_of_another_name_is_kept_and_said(run):
    found, said, _ = run(("ada/my work.ipynb", "hers"))
    assert found == {f"ada/{WEEK}/my work.ipynb": "hers"}
    assert said == ["'my work.ipynb' of ada is none of the week's notebooks: products, sums"]


def test_the_last_of_several_counts_and_the_earlier_is_kept(run, tmp_path):
    found, _, [one] = run(("ada/sums (1).ipynb", "second", LATE), ("ada/sums.ipynb", "first", EARLY))
    assert found == {f"ada/{WEEK}/sums.ipynb": "second"}
    assert list(files(tmp_path / "course/submitted_earlier").values()) == ["first"]
    assert one.when == datetime(*LATE).astimezone(UTC)
    found, _, _ = run(("doejane_1_20_sums-1.ipynb", "second"), ("doejane_1_9_sums.ipynb", "first"))
    assert found[f"doejane_1/{WEEK}/sums.ipynb"] == "second"


def test_collecting_again(run, tmp_path):
    stamp = tmp_path / f"course/submitted/ada/{WEEK}/timestamp.txt"
    earlier = tmp_path / "course/submitted_earlier"
    run(("ada/sums.ipynb", "first", EARLY), ("ada/products.ipynb", "products", EARLY))
    before = stamp.read_text()
    _, _, [one] = run(("ada/sums.ipynb", "first", EARLY), ("ada/products.ipynb", "products", EARLY))
    assert (one.new, one.same, one.aside, stamp.read_text()) == ([], ["products.ipynb", "sums.ipynb"], [], before)
    found, _, [one] = run(("ada/sums.ipynb", "second", LATE))
    assert found == {f"ada/{WEEK}/sums.ipynb": "second", f"ada/{WEEK}/products.ipynb": "products"}
    assert stamp.read_text() > before
    after = stamp.read_text()
    found, _, [one] = run(("ada/sums.ipynb", "between", (2026, 3, 1, 12, 0, 0)))
    assert found[f"ada/{WEEK}/sums.ipynb"] == "second"
    assert (one.new, one.aside, stamp.read_text()) == ([], ["sums.ipynb"], after)
    assert sorted(files(earlier).values()) == ["between", "first"]


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_an_interruption_leaves_whole_files_and_the_next_run_ends_as_if_there_had_been_none(
    run, monkeypatch, tmp_path, stop
):
    run(("ada/sums.ipynb", "old", EARLY))
    members = [("ada/sums.ipynb", "new", LATE), ("ben/sums.ipynb", "ben's", LATE)]
    real, calls = os.replace, []

    def killed(source, target):
        calls.append(target)
        if len(calls) == stop:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(collecting.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run(*members)
    assert set(files(tmp_path / "course/submitted").values()) <= {"old", "new", "ben's"}
    found, _, _ = run(*members)
    assert found == {f"ada/{WEEK}/sums.ipynb": "new", f"ben/{WEEK}/sums.ipynb": "ben's"}
    assert "old" in files(tmp_path / "course/submitted_earlier").values()
    stamps = {path.read_text() for path in (tmp_path / "course").rglob("timestamp.txt")}
    assert stamps == {f"{datetime(*LATE).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC\n"}


@pytest.mark.parametrize("name", ["../evil/sums.ipynb", "ada/../../sums.ipynb", "/etc/sums.ipynb", "C:\\x\\sums.ipynb"])
def test_no_name_leaves_its_folder(run, tmp_path, name):
    found, said, _ = run(("ada/sums.ipynb", "hers"), (name, "evil"))
    assert list(found.values()) == ["hers"]
    assert said[0].endswith("points outside its folder, so it was left out")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"evil"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip_are_left_out(run, kind):
    link = zipfile.ZipInfo("ben/sums.ipynb", EARLY)
    link.create_system, link.external_attr = 3, (kind | 0o777) << 16
    found, [said], _ = run(("ada/sums.ipynb", "hers"), (link, "/etc/passwd"))
    assert list(found.values()) == ["hers"]
    assert "'ben/sums.ipynb' in" in said
    assert said.endswith("is a link or no ordinary file, so it was left out")


def test_links_in_a_folder_are_left_out(run, tmp_path):
    source = tmp_path / "class"
    (source / "ada").mkdir(parents=True)
    (source / "ada/sums.ipynb").write_text("hers")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/sums.ipynb").write_text("the solution")
    (source / "ben").symlink_to(tmp_path / "secret")
    (source / "ada/products.ipynb").symlink_to(tmp_path / "secret/sums.ipynb")
    found, said, _ = run(source=source)
    assert list(found.values()) == ["hers"]
    assert len(said) == 2
    assert all(sentence.endswith("is a link or no ordinary file, so it was left out") for sentence in said)


def test_bombs_are_left_out_and_the_others_collected(run):
    deep = "x/" * 20 + "sums.ipynb"
    nested = zipped(None, ("sums.ipynb", "too deep"))
    for _ in range(3):
        nested = zipped(None, ("again.zip", nested))
    found, said, _ = run(
        ("ada/sums.ipynb", "hers"),
        ("ben/sums.ipynb", b"0" * 3_000_000),
        ("cleo/x.zip", zipped(None, ("sums.ipynb", b"0" * 3_000_000))),
        (f"dan/{deep}", "deep"),
        ("eve/x.zip", nested),
        ("fay/x.zip", zipped(None, *((f"{n}.ipynb", "") for n in range(unpack.MEMBERS_LIMIT + 5)))),
        ("gus/" + "y" * 2000 + ".ipynb", "long"),
        ("hal/x.zip", b"PK\x03\x04 damaged"),
    )
    assert {name for name in found if not name.startswith("fay/")} == {f"ada/{WEEK}/sums.ipynb"}
    assert len(found) <= unpack.MEMBERS_LIMIT + 2
    text = "\n".join(said)
    for sentence in (
        "'ben/sums.ipynb' in .*export.zip unpacks to more than 200 times its size, so it was left out",
        "'sums.ipynb' in cleo's x.zip unpacks to more than 200 times its size",
        "lies more than 12 folders deep",
        "'again.zip' of eve has zips in more than 3 zips",
        "fay's x.zip holds more than a hand-in does: what is left of it was not opened",
        "has a name of more than 1000 characters",
        "hal's x.zip is a damaged zip",
    ):
        assert len(re.findall(sentence, text)) == 1, sentence


def test_sizes_count_as_read_not_as_claimed(run, monkeypatch):
    monkeypatch.setattr(unpack, "FILE_LIMIT", 5_000)
    content = os.urandom(6_000)
    found, [said], _ = run(("ada/sums.ipynb", "hers"), ("ben/sums.ipynb", content))
    assert list(found) == [f"ada/{WEEK}/sums.ipynb"]
    assert said.endswith("is larger than 0 MB, so it was left out")
    monkeypatch.setattr(unpack, "TOTAL_LIMIT", 50)
    with pytest.raises(CollectError, match="holds more than a class hands in, so nothing was collected: split it"):
        run(("ada/sums.ipynb", "new"), ("ben/sums.ipynb", os.urandom(4_000)), ("cy/sums.ipynb", os.urandom(4_000)))
    assert found[f"ada/{WEEK}/sums.ipynb"] == "hers"


def test_encrypted_and_damaged_members_are_said(run, tmp_path):
    data = bytearray(zipped(None, ("ada/sums.ipynb", "hers"), ("ben/sums.ipynb", "b" * 50), ("cy/sums.ipynb", "c")))
    archive = zipfile.ZipFile(io.BytesIO(data))
    ben, cy = archive.getinfo("ben/sums.ipynb"), archive.getinfo("cy/sums.ipynb")
    data[ben.header_offset + 30 + len("ben/sums.ipynb")] ^= 0xFF
    central = data.rindex(b"PK\x01\x02")
    data[central + 8] |= 1
    assert cy.filename.encode() in data[central:]
    source = tmp_path / "export.zip"
    source.write_bytes(data)
    found, said, _ = run(source=source)
    assert list(found.values()) == ["hers"]
    assert [sentence.partition(" in ")[0] for sentence in said] == ["'ben/sums.ipynb'", "'cy/sums.ipynb'"]
    assert "cannot be read" in said[0]
    assert "is encrypted: ask for it without a password" in said[1]


def test_odd_names_are_usable_and_stay_apart(run):
    names = ["a[1]", "a*1*", "a\x1b[1m", "‮evil", "...", "-rf", "nul\n", "Zoe\u0308", "x" * 300]
    found, _, _ = run(*((f"{name}/sums.ipynb", name) for name in names))
    folders = {name.split("/")[0] for name in found}
    assert len(folders) == len(names)
    assert {"-rf", "Zoë"} <= folders
    for folder in folders:
        assert folder.isprintable()
        assert not set(folder) & set("[]*?")
        assert len(folder.encode()) < 256


def test_names_that_take_many_bytes_stop_nobody(run):
    name = "\N{GRINNING FACE}" * 80
    found, _, _ = run(
        (f"ada/{name}.ipynb", "first"), (f"ada/{name} (1).ipynb", "second"), (f"{name}_{'9' * 18}_1_sums.ipynb", "x")
    )
    assert sorted(found.values()) == ["second", "x"]


def test_a_zip_with_a_million_names_is_not_opened(run):
    names = zipped(None, *((f"{n}", "") for n in range(10 * unpack.MEMBERS_LIMIT + 1)))
    found, said, _ = run(("ada/sums.ipynb", "hers"), ("ben/x.zip", names))
    assert list(found.values()) == ["hers"]
    assert said == ["ben's x.zip holds more than a hand-in does: it was not opened"]


def test_who_is_missing(run, tmp_path):
    path = tmp_path / "gradebook.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ["Student", "ID", "SIS Login ID", "Section", "Week 1 (99)"],
                ["    Points Possible", "", "", "", "6"],
                ["Doe, Jane", "123", "jdoe", "A", ""],
                ["Roe, Ann", "7", "aroe", "A", ""],
            ]
        )
    _, said, _ = run(("doejane_123_4_sums.ipynb", "x"), ("stranger_9_5_sums.ipynb", "x"), roster=Roster.read(path))
    assert said[-2:] == ["1 of 2 handed in nothing: Roe, Ann", "not in the roster: stranger_9"]


def test_two_of_one_name_are_not_guessed(tmp_path):
    path = tmp_path / "class.csv"
    path.write_text("name;group\njane doe;1\nann;2\n")
    matched, doubts = Roster.read(path).match(["Jane Doe_1", "Jane Doe_2", "ann"])
    assert matched == {1: "ann"}
    assert doubts == ["jane doe in the CSV may be Jane Doe_1 or Jane Doe_2, or may not: rename that folder"]
    path.write_text("name\nann\nANN\n")
    matched, doubts = Roster.read(path).match(["ann"])
    assert (matched, len(doubts)) == ({}, 2)
    for content in (b"", b"name\n", b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(RosterError):
            Roster.read(path)


def test_a_platform_of_ones_own_is_read_by_nbgraders_option():
    plugin = PlatformNames(named_regexp=r"hw_(?P<student_id>\w+)__(?P<file_id>.+)")
    assert plugin.collect("hw_ada__sums.ipynb") == {"student_id": "ada", "file_id": "sums.ipynb"}


def test_no_source_is_said(run, tmp_path):
    with pytest.raises(CollectError, match="does not exist: give the zip that the platform exports"):
        run(source=tmp_path / "nowhere.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(CollectError, match="is neither a folder nor a zip"):
        run(source=tmp_path / "text.zip")
    with pytest.raises(CollectError, match="there is no notebook of a student in"):
        run(("ada/notes.txt", "?"))


def test_the_command(course, monkeypatch, tmp_path):
    monkeypatch.chdir(course.root)
    source = zipped(tmp_path / "export.zip", ("doejane_1_2_sums.ipynb", "x"), ("../sums.ipynb", "x"))
    result = CliRunner().invoke(app, ["collect", "week1", str(source)], env={"COLUMNS": "150"})
    assert result.exit_code == 0, result.output
    assert "doejane_1" in result.output
    assert "points outside its folder, so it was left out" in result.output
    assert (course.root / "submitted/doejane_1" / tiny_homework.WEEK / "sums.ipynb").read_text() == "x"
    result = CliRunner().invoke(app, ["collect", "week1", "nowhere"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_the_table_shows_what_became_of_each():
    from rich.console import Console

    console = Console(file=io.StringIO(), width=120)
    console.print(table([collecting.Collected("ada [b]", ["sums.ipynb"], aside=["sums.ipynb"])]))
    assert console.file.getvalue().count("sums.ipynb") == 2
    assert "ada [b]" in console.file.getvalue()
