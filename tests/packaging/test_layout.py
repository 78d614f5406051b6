"""The source tree: links, coverage over all folders, no host names of registries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from coverage import Coverage, CoverageData

ROOT = Path(__file__).parents[2]
LINKED = ("blocks", "tasks", "flows", "deployments")

# In two parts, so that this file does not find itself.
REGISTRY_HOSTS = [
    f"{name}.{domain}".encode()
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("deb.debian", "org"),
    )
]


@pytest.mark.parametrize("name", LINKED)
def test_folder_at_root_is_linked_into_package_by_a_relative_link(name):
    link = ROOT / "src" / "prefect_videogen" / name

    assert link.is_symlink()
    assert link.readlink() == Path("../..") / name
    assert (ROOT / name).is_dir()
    assert not (ROOT / name).is_symlink()


def test_coverage_configuration_names_the_package():
    config = Coverage(config_file=str(ROOT / "pyproject.toml"), data_file=None)

    assert config.get_option("run:source_pkgs") == ["prefect_videogen"]


def test_coverage_sees_the_folders_at_the_root(tmp_path):
    script = tmp_path / "imports_flows.py"
    script.write_text("import prefect_videogen.flows\n")
    data_file = tmp_path / "coverage.db"

    command = [sys.executable, "-m", "coverage", "run", f"--data-file={data_file}", str(script)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    data = CoverageData(str(data_file))
    data.read()
    measured = {Path(name).resolve() for name in data.measured_files()}
    assert ROOT / "flows" / "__init__.py" in measured


def test_no_file_of_the_project_names_a_registry_host():
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is where it is
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    files = [ROOT / os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    assert ROOT / "pyproject.toml" in files

    found = [
        f"{path.relative_to(ROOT)}: {host.decode()}"
        for path in files
        if path.is_file()
        for host in REGISTRY_HOSTS
        if host in path.read_bytes().lower()
    ]
    assert found == []
