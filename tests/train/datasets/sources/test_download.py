"""What is fetched must be what is expected."""

import functools
import hashlib
import http.server
import threading

import pytest

from number_files import Numbers, as_archive


class Fetched(Numbers, skip_registration=True):
    """The same, from an archive that a server has."""


@pytest.fixture
def server(tmp_path, folder):
    as_archive(folder, tmp_path / "served" / "n.tar.gz")
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_downloads_are_checked(server, tmp_path, monkeypatch):
    digest = hashlib.sha256((tmp_path / "served" / "n.tar.gz").read_bytes()).hexdigest()
    url = f"{server}/n.tar.gz"
    for downloads, message in (
        ({"n.tar.gz": (url, "0" * 64)}, r"n.tar.gz is not the file that is expected"),
        ({"n.tar.gz": (f"{server}/no", digest)}, "/no cannot be fetched: .*404.* --data-dir"),
        ({"n.tar.gz": ("http://127.0.0.1:9/n", digest)}, "cannot be fetched: .*refused"),
    ):
        monkeypatch.setattr(Fetched, "DOWNLOADS", downloads)
        with pytest.raises(ValueError, match=message):
            Fetched.prepare(prepared_dir=tmp_path / "prepared")
    monkeypatch.setattr(Fetched, "DOWNLOADS", {"n.tar.gz": (url, digest)})
    builder = Fetched.prepare(prepared_dir=tmp_path / "prepared")
    assert len(list(builder.all_sequences("train"))) == 4
