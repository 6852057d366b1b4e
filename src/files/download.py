"""A file from the web: downloaded once, checked, kept."""

from __future__ import annotations

import hashlib
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from src.console.messages import UserError, first_line
from src.console.screen import notice, progress
from src.files.cache import locked
from src.files.checksum import file_digest

TIMEOUT = 30  # seconds without an answer
CHUNK = 2**18  # bytes


def download(url: str, folder: Path, sha256: str | None = None, md5: str | None = None) -> Path:
    """The file at `url`, kept in `folder`; without the network if it is there already.

    A download that broke off goes on where it ended. The file's name is the address's last part after a few digits of
    its checksum, or else of its address: two files of one name do not meet.

    Args:
        url: http:// or https://.
        sha256: its checksum in hexadecimal digits; or `md5`, where no better one is published. None: not checked.

    Raises:
        UserError: it cannot be downloaded, or has another checksum.
    """
    kind, expected = ("sha256", sha256) if sha256 else ("md5", md5)
    target = folder / _name(url, expected)
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f"{target.name}.lock")):
            if not target.exists():  # another process may have brought it meanwhile
                partial = target.with_name(f"{target.name}.partial")
                try:
                    _fetch(url, partial, checked=expected is not None)
                except (OSError, HTTPException) as error:
                    raise UserError(
                        f"{url} cannot be downloaded: {_reason(error)} Or put the file there yourself, as {target}"
                    ) from error
                if expected:
                    _check(url, partial, kind, expected)
                partial.replace(target)
    return target


def _name(url: str, checksum: str | None) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise UserError(f"{url} cannot be downloaded: an address begins with http:// or https://.")
    tag = checksum or hashlib.sha256(url.encode()).hexdigest()
    name = PurePosixPath(unquote(parts.path)).name or parts.netloc
    return f"{tag[:8].lower()}-{name[-100:]}"  # the end has the suffix


def _fetch(url: str, partial: Path, checked: bool) -> None:
    """Download to `partial`, or go on with it. Raises OSError or HTTPException."""
    version = partial.with_name(f"{partial.name}.version")  # of the file of which `partial` is the beginning
    begun = partial.stat().st_size if partial.exists() and (checked or version.exists()) else 0
    headers = {"User-Agent": "kindling"}
    if begun:
        headers["Range"] = f"bytes={begun}-"
        if version.exists():  # the server sends the whole file if that is another one by now
            headers["If-Range"] = version.read_text()
    try:
        response = urlopen(Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not begun:
            raise
        partial.unlink()  # there is nothing beyond: it may be of another, longer file
        return _fetch(url, partial, checked)
    with response:
        if response.headers.get("ETag", "W/").startswith("W/"):  # a weak one does not promise the same bytes
            version.unlink(missing_ok=True)
        else:
            version.write_text(response.headers["ETag"])
        _save(response, partial, begun if response.status == 206 else 0)
    version.unlink(missing_ok=True)
    return None


def _save(response: HTTPResponse, partial: Path, begun: int) -> None:
    """Write what comes behind the first `begun` bytes of `partial`."""
    length = response.headers.get("Content-Length")
    total = begun + int(length) if length else None
    notice(f"Downloading {response.url}" + (f", {total / 1e6:,.1f} MB" if total else ""))
    with partial.open("ab") as file, progress(partial.name.removesuffix(".partial"), total) as done:
        file.truncate(begun)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            done(file.tell())
    size = partial.stat().st_size
    if total is not None and size < total:
        raise OSError(f"it broke off after {size:,} of {total:,} bytes")


def _check(url: str, partial: Path, kind: str, expected: str) -> None:
    found = file_digest(partial, kind)
    if found != expected.lower():
        partial.unlink()
        raise UserError(
            f"{url} is not the file that was expected: its {kind} is {found}, not {expected}. "
            "It was removed; the same command downloads it anew."
        )


def _reason(error: Exception) -> str:
    """What went wrong and a question that may help."""
    if isinstance(error, HTTPError):
        return f"the server answers {error.code} {error.reason}. Is the address right?"
    if isinstance(error, URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    text = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or first_line(error)
    broke_off = " The same command goes on from there." if "broke off" in text else " Are you online?"
    return f"{text.rstrip('.')}.{broke_off}"
