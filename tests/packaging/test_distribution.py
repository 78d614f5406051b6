"""What users install: whole distributions, and a package that leaves their own folders alone.

The source tree has links where users get folders, so both distributions are built for real,
from a copy: no build folder or file list of an earlier build can hide what is missing.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("blocks", "tasks", "flows", "deployments", "src")
METADATA = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md")
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", ".*")

USERS_PROGRAM = """
import blocks
import flows
import prefect_videogen
from importlib.metadata import entry_points
from prefect_videogen.flows import generate_storyboard

print(prefect_videogen.__file__)
print(generate_storyboard.name)
print(flows.OWNER, blocks.OWNER)
for found in entry_points(group="prefect.collections", name="prefect_videogen"):
    print(found.load().__name__)
"""


class Built(NamedTuple):
    sdist: Path
    wheel: Path
    wheel_from_tree: Path


def run(*command, cwd, **env):
    """What the command prints; a failure shows all it said."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    copy = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=NOT_SHIPPED)
    for name in METADATA:
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def shipped(tree):
    """Every file of the package, as users see it: links followed, relative to `src`."""
    source = tree / "src"
    return {
        (Path(folder) / name).relative_to(source).as_posix()
        for folder, _, names in os.walk(source / "prefect_videogen", followlinks=True)
        for name in names
    }


@pytest.fixture(scope="module")
def built(tree, shipped, tmp_path_factory):
    from_sdist, from_tree = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("direct")
    build = (sys.executable, "-m", "build", "--no-isolation")
    run(*build, f"--outdir={from_sdist}", cwd=tree)
    run(*build, "--wheel", f"--outdir={from_tree}", cwd=tree)
    (sdist,) = from_sdist.glob("*.tar.gz")
    (wheel,) = from_sdist.glob("*.whl")
    (wheel_from_tree,) = from_tree.glob("*.whl")
    return Built(sdist, wheel, wheel_from_tree)


@pytest.mark.parametrize("which", ["wheel", "wheel_from_tree"])
def test_wheel_holds_the_package_and_nothing_beside_it(built, shipped, which):
    with zipfile.ZipFile(getattr(built, which)) as archive:
        names = {entry.filename for entry in archive.infolist() if not entry.is_dir()}

    assert {name for name in names if name.startswith("prefect_videogen/")} == shipped
    tops = {PurePosixPath(name).parts[0] for name in names} - {"prefect_videogen"}
    assert tops == {"prefect_videogen-{}.dist-info".format(built.wheel.name.split("-")[1])}


def test_sdist_holds_the_package_as_real_files(built, shipped):
    with tarfile.open(built.sdist) as archive:
        members = archive.getmembers()

    assert [member.name for member in members if not (member.isfile() or member.isdir())] == []
    files = {PurePosixPath(*PurePosixPath(m.name).parts[1:]) for m in members if m.isfile()}
    assert {
        path.relative_to("src").as_posix()
        for path in files
        if path.parts[:2] == ("src", "prefect_videogen")
    } == shipped
    assert {path.parts[0] for path in files} == {*METADATA, "src", "PKG-INFO", "setup.cfg"}


def test_installed_package_leaves_a_users_own_flows_and_blocks_alone(built, tmp_path):
    site, project = tmp_path / "site", tmp_path / "project"
    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
        *("--target", str(site), str(built.wheel)),
        cwd=tmp_path,
    )
    for name in ("flows", "blocks"):
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text('OWNER = "user"\n')
    (project / "program.py").write_text(USERS_PROGRAM)

    lines = run(
        *(sys.executable, "program.py"),
        cwd=project,
        PYTHONPATH=str(site),
        PREFECT_HOME=str(tmp_path / "prefect"),
    ).splitlines()

    assert lines == [
        str(site / "prefect_videogen" / "__init__.py"),
        "generate-storyboard",
        "user user",
        "prefect_videogen.blocks",
    ]
