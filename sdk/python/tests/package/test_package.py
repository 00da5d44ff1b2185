"""What is released: it is built, installed into a new environment and used there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import support
from support import ROOT, Owner, Plane

import strata

pytestmark = pytest.mark.slow
PROJECT = ROOT / "sdk" / "python"


def run(*command: str | Path, **environment: str) -> str:
    """Runs a program, which has to end well, and returns what it prints."""
    kept = ("PATH", "HOME", "PIP_", "SSL_", "HTTP", "http", "no_proxy", "NO_PROXY", "XDG_")
    settings = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    done = subprocess.run(command, env=settings | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist, and of the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PROJECT)
    return folder


@pytest.fixture(scope="module")
def python(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel, and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    interpreter = folder / "bin" / "python"
    [wheel] = built.glob("*.whl")
    run(interpreter, "-m", "pip", "install", "--quiet", wheel)
    return interpreter


def sources() -> set[str]:
    """All modules, with the generated ones."""
    folder = PROJECT / "src"
    found = (Path(at, name) for at, _, names in os.walk(folder, followlinks=True) for name in names)
    return {str(file.relative_to(folder)) for file in found if file.suffix == ".py"}


def test_the_wheel(built: Path) -> None:
    [file] = built.glob("*.whl")
    with zipfile.ZipFile(file) as wheel:
        names = set(wheel.namelist())
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        license_text = wheel.read(f"{info}/licenses/LICENSE").decode()
    packaged = {name for name in names if not name.startswith(f"{info}/")}
    assert packaged == sources() | {"strata/py.typed"}
    assert "strata/_gen/strata/serving/v1/config_pb.py" in packaged
    assert license_text == (ROOT / "LICENSE").read_text()


def test_the_sdist(built: Path) -> None:
    [file] = built.glob("*.tar.gz")
    with tarfile.open(file) as sdist:
        members = sdist.getmembers()
    assert all(member.isfile() for member in members)
    names = {member.name.partition("/")[2] for member in members}
    assert {name for name in names if name.endswith(".py")} == {f"src/{n}" for n in sources()}
    assert {"LICENSE", "README.md", "pyproject.toml", "src/strata/py.typed"} <= names


def test_the_version_is_in_one_place(python: Path) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    told = run(python, "-c", "from strata import _settings; print(_settings.software())")
    assert told == f"strata-python/{version}\n"


def test_nobody_has_to_have_the_extras(python: Path) -> None:
    program = "import strata, importlib.util as u; print(u.find_spec('openfeature'))"
    assert run(python, "-c", program) == "None\n"


def test_the_example(python: Path, tmp_path: Path) -> None:
    support.build()
    owner, folder = Owner(), tmp_path / "plane"
    folder.mkdir()
    plane = Plane(folder, owner)
    shutil.copytree(ROOT / "examples" / "configs", folder, dirs_exist_ok=True)
    plane.start()
    try:
        printed = run(
            python,
            ROOT / "examples" / "python" / "main.py",
            STRATA_URL=plane.url,
            STRATA_ENVIRONMENT="prod",
            STRATA_ACCESS_KEY=owner.key.access_key,
            STRATA_SECRET_KEY=owner.secret,
        )
    finally:
        plane.kill()
    assert printed.startswith("algorithm: gbdt\nmodel.version: Parameter(value='v2.1'")


CONSUMER = """
import strata

client = strata.Client(url="http://localhost:8080")
evaluation = client.evaluate("ranker_svc", {"user_id": "u"})
version: str = evaluation.get_string("model.version", "v1")
maybe: int | None = evaluation.get_int("timeout_ms", None)
source: strata.Parameter = evaluation.lookup("model")
stop = client.on_change(lambda change: print(change.keys))
client.record(strata.Event("checkout", {"user_id": "u"}, value=1.5))
state: str = client.status().state
"""


def test_types(python: Path, tmp_path: Path) -> None:
    def check(text: str) -> str:
        file = tmp_path / "consumer.py"
        file.write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
        options = [f"--python-executable={python}", f"--cache-dir={tmp_path / 'cache'}"]
        done = subprocess.run(
            [*command, *options, file], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.stderr == ""
        return done.stdout

    assert check(CONSUMER) == ""
    assert "str | int" in check(CONSUMER + 'wrong: int = evaluation.get_string("a", 1)\n')


def test_there_are_few_public_names() -> None:
    assert len(strata.__all__) <= 10
