"""stac-fastapi on PostgreSQL (pgstac), started on loopback from an environment of its own; or why it cannot be."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.imagery.servers import free_port, running

from creepmeter.simulate.catalogue import collection_of

_VARIABLE = "CREEPMETER_PGSTAC"
_SERVERS = ("postgres", "initdb")
_TIMEOUT_S = 120


def _programs() -> tuple[Path, Path]:
    """Return the folders of stac-fastapi's and of PostgreSQL's programs; skip the test where there are none."""
    folder = Path(os.environ.get(_VARIABLE, ""))
    if not os.environ.get(_VARIABLE) or not all((folder / name).exists() for name in ("pypgstac", "uvicorn")):
        pytest.skip(
            f"no stac-fastapi.pgstac: set {_VARIABLE} to the folder of its programs (bin of an environment with "
            "stac-fastapi.pgstac, pypgstac[psycopg] and uvicorn)"
        )
    places = [Path(found).resolve().parent for found in map(shutil.which, _SERVERS) if found]
    for database in (*places, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))):
        share = database.parents[3] / "share" / "postgresql" / database.parent.name / "extension"
        if all((database / name).exists() for name in _SERVERS) and (share / "postgis.control").exists():
            return folder, database
    pytest.skip("no PostgreSQL server with PostGIS on this machine")


def _user() -> str | None:
    """Return who runs the database: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def pgstac_served(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Serve items by stac-fastapi with a database behind; yield its address."""
    programs, database = _programs()
    user, everything = _user(), list(items)
    home = Path(tempfile.mkdtemp(prefix="pgstac-"))  # not below pytest's own folders, which only this user may enter
    try:
        if user is not None:
            shutil.chown(home, user)
        data, port = home / "data", free_port()
        make = [str(database / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust"]
        subprocess.run(make, check=True, capture_output=True, user=user, cwd=home, timeout=_TIMEOUT_S)
        serve = [str(database / "postgres"), "-D", str(data), "-p", str(port), "-k", str(home), "-c", "fsync=off"]
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        environment = {**os.environ, **place, "PGPASSWORD": "none"}
        ready = [str(programs / "pypgstac"), "pgready"]
        with running(serve, home, user=user, ready=(ready, environment)):
            _fill(programs, environment, everything, home)
            web = free_port()
            app = [str(programs / "uvicorn"), "--factory", "stac_fastapi.pgstac.app:create_app", "--port", str(web)]
            with running(app, home, url=f"http://127.0.0.1:{web}/", environment=environment):
                yield f"http://127.0.0.1:{web}"
    finally:
        shutil.rmtree(home)


def _fill(programs: Path, environment: Mapping[str, str], items: list[Mapping[str, Any]], folder: Path) -> None:
    collections = sorted({str(item["collection"]) for item in items})
    tables: dict[str, list[Mapping[str, Any]]] = {
        "collections": [
            {**collection_of(name, [item for item in items if item["collection"] == name]), "links": []}
            for name in collections
        ],
        "items": items,
    }
    calls = [["migrate"]]
    for table, rows in tables.items():
        path = folder / f"{table}.ndjson"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        calls.append(["load", table, str(path), "--method", "insert"])
    for call in calls:
        command = [str(programs / "pypgstac"), *call]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=dict(environment), timeout=_TIMEOUT_S
        )
        assert done.returncode == 0, done.stderr[-2000:]
