"""Downloads: against a server on this machine."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from src.console.messages import UserError
from src.files import download as module
from src.files.cache import cache_folder
from src.files.download import download
from tests.conftest import served

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Site(BaseHTTPRequestHandler):
    """Serves CONTENT; by its name an address breaks off, has no ranges, is missing or never answers."""

    asked: ClassVar[list[tuple[str, str | None]]] = []  # path, Range
    etag: ClassVar[str] = '"1"'
    content: ClassVar[bytes] = CONTENT

    def do_GET(self) -> None:
        begin = self.headers["Range"]
        self.asked.append((self.path, begin))
        if "missing" in self.path:
            return self.send_error(404)
        if "silent" in self.path:
            hold.wait(5)
            return None
        same = self.headers["If-Range"] in (None, self.etag)
        first = int(begin[6:-1]) if begin and same and "rangeless" not in self.path else 0
        if first >= len(self.content):
            return self.send_error(416)
        rest = self.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", self.etag)
        self.end_headers()
        breaks_off = "breaking" in self.path and len(self.asked) == 1
        self.wfile.write(rest[: len(rest) // 3] if breaks_off else rest)
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


hold = threading.Event()


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(Site, "asked", [])
    with served(Site) as address:
        yield address
        hold.set()
    hold.clear()


def test_a_file_is_downloaded_once(site, folder, capsys):
    path = download(f"{site}/a%20table.csv?version=2", folder / "cache")
    assert path.read_bytes() == CONTENT
    assert re.fullmatch("[0-9a-f]{8}-a table.csv", path.name)
    assert "Downloading http://127.0.0.1" in capsys.readouterr().err
    assert download(f"{site}/a%20table.csv?version=2", folder / "cache") == path
    assert len(Site.asked) == 1


def test_two_files_of_one_name_are_kept_apart(site, folder):
    assert download(f"{site}/a/x.csv", folder) != download(f"{site}/b/x.csv", folder)


@pytest.mark.parametrize("checksum", [{"sha256": SHA256}, {"md5": hashlib.md5(CONTENT).hexdigest().upper()}])
def test_a_checked_file_is_the_same_from_every_address(site, folder, checksum):
    path = download(f"{site}/x.csv", folder, **checksum)
    assert download("http://mirror.invalid/x.csv", folder, **checksum) == path


def test_a_wrong_checksum_is_refused_and_the_next_try_starts_anew(site, folder):
    for tries in (1, 2):
        with pytest.raises(UserError, match=rf"its sha256 is {SHA256}, not 1234\. It was removed"):
            download(f"{site}/x.csv", folder, sha256="1234")
        assert Site.asked == [("/x.csv", None)] * tries
    assert not [*folder.glob("*.partial")]


def test_a_download_that_broke_off_goes_on_where_it_ended(site, folder):
    with pytest.raises(UserError, match=r"broke off after 341,333 of 1,024,000 bytes\. The same command goes on"):
        download(f"{site}/breaking.bin", folder)
    assert download(f"{site}/breaking.bin", folder).read_bytes() == CONTENT
    assert Site.asked[1] == ("/breaking.bin", "bytes=341333-")
    assert not [*folder.glob("*.partial*")]


def test_it_starts_anew_if_the_file_has_changed_since(site, folder, monkeypatch):
    with pytest.raises(UserError, match="broke off"):
        download(f"{site}/breaking.bin", folder)
    monkeypatch.setattr(Site, "content", CONTENT[::-1])
    monkeypatch.setattr(Site, "etag", '"2"')
    assert download(f"{site}/breaking.bin", folder).read_bytes() == CONTENT[::-1]


def test_it_starts_anew_if_the_server_knows_no_ranges(site, folder):
    with pytest.raises(UserError, match="broke off"):
        download(f"{site}/rangeless_breaking.bin", folder, SHA256)
    assert download(f"{site}/rangeless_breaking.bin", folder, SHA256).read_bytes() == CONTENT
    assert [begin for _, begin in Site.asked] == [None, "bytes=341333-"]


def test_it_starts_anew_if_there_is_more_than_the_server_has(site, folder):
    (folder / f"{SHA256[:8]}-x.bin.partial").write_bytes(CONTENT + b"more")
    assert download(f"{site}/x.bin", folder, SHA256).read_bytes() == CONTENT


def test_what_broke_off_is_not_continued_where_nothing_could_tell_another_file(site, folder):
    path = download(f"{site}/x.bin", folder)
    path.rename(f"{path}.partial")
    download(f"{site}/x.bin", folder)
    assert Site.asked[-1] == ("/x.bin", None)


def test_processes_that_want_the_same_file_download_it_once(site, folder):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=download, args=(f"{site}/x.bin", folder)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
        assert process.exitcode == 0
    assert len(Site.asked) == 1


def test_a_missing_file_is_told(site, folder):
    with pytest.raises(UserError, match=r"missing.csv cannot be downloaded: the server answers 404 Not Found\. Is"):
        download(f"{site}/missing.csv", folder)


def test_a_server_that_does_not_answer_is_told(site, folder, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    with pytest.raises(UserError, match=r"silent.csv cannot be downloaded: no answer\. Are you online\?"):
        download(f"{site}/silent.csv", folder)


def test_a_refused_connection_is_told_with_the_place_for_the_file(folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UserError, match=r"Connection refused\. Are you online\? Or put the file there yourself") as e:
        download(f"http://127.0.0.1:{port}/x.csv", folder)
    place = str(e.value).rpartition(" ")[2]
    (folder / place).write_text("by hand")
    assert download(f"http://127.0.0.1:{port}/x.csv", folder).read_text() == "by hand"


@pytest.mark.parametrize("url", ["x.csv", "file:///etc/passwd", "ftp://a.b/c"])
def test_other_addresses_are_refused(url, folder):
    with pytest.raises(UserError, match="an address begins with http:// or https://"):
        download(url, folder)


def test_an_address_that_is_none_is_told(folder):
    with pytest.raises(UserError, match="cannot be downloaded: nonnumeric port"):
        download("http://localhost:port/x.csv", folder)


def test_the_cache_is_where_the_system_has_its_caches(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder(None) == folder / ".cache" / "kindling"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "caches"))
    assert cache_folder(None) == folder / "caches" / "kindling"
    assert cache_folder("~/own") == folder / "own"
    assert (folder / "own").is_dir()
