"""Real workers of gunicorn, which forks after the application was loaded."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support import PATIENCE, Owner, Plane


def ask(port: int, user: str) -> tuple[str, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/?{user}")
        pid, state, color = connection.getresponse().read().decode().split()
    finally:
        connection.close()
    return pid, state, color


def until_workers(port: int, wanted: Callable[[tuple[str, str, str]], bool]) -> set[str]:
    """Asks until two workers have given an answer, which the others lead to."""
    last: dict[str, tuple[str, str, str]] = {}
    for user in range(20_000):
        answer = ask(port, f"user_{user}")
        last[answer[0]] = answer
        if sum(map(wanted, last.values())) == 2:
            return set(last)
    raise AssertionError(last)


def test_preload(plane: Plane, owner: Owner, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "gunicorn", "--preload", "--workers=2", "--bind=127.0.0.1:0",
            "--worker-tmp-dir=/dev/shm", "--chdir", str(Path(__file__).parent), "gunicorn_app:app",
        ],
        env={
            **os.environ,
            "STRATA_URL": plane.url,
            "STRATA_SECRET_KEY": owner.secret,
            "STRATA_ENVIRONMENT": "prod",
            "STRATA_CACHE_DIR": str(tmp_path / "cache"),
        },
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if "Listening at: http://" in line:
                break
        port = int(said[-1].split("127.0.0.1:")[1].split()[0])
        workers = until_workers(port, lambda answer: answer[1:] == ("READY", "red"))
        assert str(process.pid) not in workers
        plane.publish("blue")
        until_workers(port, lambda answer: answer[2] == "blue")
        process.terminate()
        _, rest = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    said.append(rest)
    assert process.returncode == 0, "".join(said)
    assert "Traceback" not in "".join(said)
    assert len(list((tmp_path / "cache").glob("*.strata"))) == 2
