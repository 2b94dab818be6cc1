"""Servers that we did not write, started on loopback: a STAC API (rustac) and one for files with range requests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from creepmeter.simulate.catalogue import collection_of

_PATIENCE_S = 60.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """Serve a folder, with range requests, by a program of somebody else; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "RangeHTTPServer", "--bind", "127.0.0.1", str(port)]
    with running(command, folder, url=f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def api_served(items: Iterable[Mapping[str, Any]], folder: Path) -> Iterator[str]:
    """Serve items as a STAC API by a program of somebody else; yield its address.

    Parameters
    ----------
    items : iterable of mapping
        STAC items as JSON, with absolute addresses.
    folder : Path
        For files that the server starts from.
    """
    everything = list(items)
    files = []
    for name in sorted({str(item["collection"]) for item in everything}):
        inside = [item for item in everything if item["collection"] == name]
        files.append(folder / f"{name}.collection.json")
        files[-1].write_text(json.dumps({**collection_of(name, inside), "links": []}), encoding="utf-8")
    files.append(folder / "items.json")
    files[-1].write_text(json.dumps({"type": "FeatureCollection", "features": everything}), encoding="utf-8")
    port = free_port()
    server = Path(sys.executable).with_name("rustac")
    command = [str(server), "serve", "--addr", f"127.0.0.1:{port}", "--use-duckdb", "false", *map(str, files)]
    with running(command, folder, url=f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(
    command: Sequence[str],
    folder: Path,
    *,
    url: str | None = None,
    ready: tuple[Sequence[str], Mapping[str, str]] | None = None,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator[None]:
    """Run a server, wait until it answers, and end it with the block.

    Parameters
    ----------
    command : sequence of str
        Program and its words.
    folder : Path
        Where it works.
    url : str, optional
        Address that answers when it is ready.
    ready : (sequence of str, mapping), optional
        Command, and its environment, that succeeds when it is ready.
    environment : mapping, optional
        Of the server.
    user : str, optional
        Who runs it.
    """
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, stderr=file, env=environment, user=user)
        try:
            until = time.monotonic() + _PATIENCE_S
            while not (_answers(url) if ready is None else _succeeds(*ready)):
                if process.poll() is not None or time.monotonic() > until:
                    message = f"{command[0]} does not answer: {log.read_text(errors='replace')[-2000:]}"
                    raise RuntimeError(message)
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def _answers(url: str | None) -> bool:
    try:
        with urllib.request.urlopen(str(url), timeout=5):  # noqa: S310 - on loopback
            return True
    except (urllib.error.URLError, OSError):
        return False


def _succeeds(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=_PATIENCE_S)
    return done.returncode == 0
