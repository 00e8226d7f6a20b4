"""scripts/promtool.sh finds promtool in the packages of Debian 12 and of Debian 13."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "promtool.sh"
TOOLS = ("bash", "cp", "dirname", "dpkg-deb", "install", "mkdir", "mktemp", "rm", "tar", "xz")
APT = """#!/bin/bash
# Brings a package into this folder as `apt-get download NAME` does, if there is one of that name.
cp "{packages}/${{*: -1}}_1_all.deb" . 2>/dev/null
"""
CONTROL = "Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: test\n"


def package(folder: Path, name: str, *programs: str) -> None:
    """Make a Debian package with programs that print their own name."""
    root = folder / name
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(CONTROL.format(name=name))
    (root / "usr" / "bin").mkdir(parents=True)
    for program in programs:
        path = root / "usr" / "bin" / program
        path.write_text(f"#!/bin/bash\necho {program}\n")
        path.chmod(0o755)
    command = ["dpkg-deb", "--build", "-Zxz", str(root), str(folder / f"{name}_1_all.deb")]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        ({"prometheus": ("prometheus", "promtool")}, True),  # Debian 12
        ({"prometheus": ("prometheus",), "promtool": ("promtool",)}, True),  # Debian 13
        ({"prometheus": ("prometheus",)}, False),
        ({}, False),
    ],
)
def test_promtool_is_found_in_its_package(
    tmp_path: Path, packages: dict[str, tuple[str, ...]], *, found: bool
) -> None:
    """promtool is unpacked into the environment, or the script says that there is none; it never fails."""
    path = tmp_path / "path"
    path.mkdir()
    for tool in TOOLS:
        where = shutil.which(tool)
        assert where is not None, tool
        (path / tool).symlink_to(where)
    (path / "apt-get").write_text(APT.format(packages=tmp_path))
    (path / "apt-get").chmod(0o755)
    for name, programs in packages.items():
        package(tmp_path, name, *programs)

    done = subprocess.run(  # noqa: S603
        [str(path / "bash"), str(SCRIPT), str(tmp_path / "venv")],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    program = tmp_path / "venv" / "bin" / "promtool"
    assert program.exists() is found
    assert ("in no package" in done.stdout) is not found
