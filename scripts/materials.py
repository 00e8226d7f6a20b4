"""Writes what the image contains: a software bill of materials and the licenses of all packages.

    python -m scripts.materials FOLDER

`dial-gateway.cdx.json` is in CycloneDX's format. `third-party-licenses.txt` has each package with its license
and its texts. The packages and versions are those of requirements/runtime.txt; licenses and dependencies come
from the metadata of the same versions in the present environment (`make install`).
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "requirements" / "runtime.txt"
OURS = ("dial-gateway", "dial-gateway-client")
BILL, LICENSES = "dial-gateway.cdx.json", "third-party-licenses.txt"
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",  # python-dateutil: its LICENSE says which
    "MIT License": "MIT",
}
"""SPDX expressions for licenses that packages state in other words."""
_text_name = re.compile(r"(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)


class MaterialsError(Exception):
    """The environment has not what requirements/runtime.txt pins, or a package states no known license."""


def packages() -> list[Distribution]:
    """Return the packages of the image for this Python, ours first. Raises `MaterialsError`."""
    return [*map(distribution, OURS), *map(_installed, _pinned())]


def _pinned() -> Iterator[Requirement]:
    for line in PINS.read_text(encoding="utf-8").splitlines():
        if re.match(r"[a-z0-9]", line):
            pin = Requirement(line.rstrip(" \\"))
            if pin.marker is None or pin.marker.evaluate():
                yield pin


def _installed(pin: Requirement) -> Distribution:
    found = distribution(pin.name)
    if not pin.specifier.contains(found.version):
        raise MaterialsError(f"{pin} is pinned, but {found.version} is installed: run `make install`")
    return found


def license_of(package: Distribution) -> str:
    """Return the SPDX expression of a package's license. Raises `MaterialsError` if it states none."""
    stated = _stated(package, "License-Expression") or _stated(package, "License")
    if not stated:
        raise MaterialsError(f"{package.name}: states no license")
    title = stated.splitlines()[0]  # some state the whole text
    return SPDX.get(title, title)


def _stated(package: Distribution, field: str) -> str:
    """Return a field of a package's metadata, empty if it has none. Python 3.13 warns of missing ones."""
    return str(next(iter(package.metadata.get_all(field, [])), ""))


def license_texts(package: Distribution) -> Iterator[str]:
    """Yield the texts of the license files that a package brings."""
    for path in package.files or ():
        if ".dist-info/" in str(path) and _text_name.search(str(path)):
            yield path.read_text(encoding="utf-8").strip()


def bill_of_materials() -> Bom:
    """Return the bill of materials. Raises `MaterialsError`."""
    components: dict[str, Component] = {canonicalize_name(one.name): _component(one) for one in packages()}
    bom = Bom(components=[one for name, one in components.items() if name != OURS[0]])
    bom.metadata.component = components[OURS[0]]
    bom.metadata.tools.components.add(this_component())
    for package in packages():
        needs = {canonicalize_name(need.name) for need in _needs(package)}
        found = [components[name] for name in needs & components.keys()]
        bom.register_dependency(components[canonicalize_name(package.name)], found)
    return bom


def _component(package: Distribution) -> Component:
    purl = PackageURL("pypi", name=canonicalize_name(package.name), version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.APPLICATION if package.name == OURS[0] else ComponentType.LIBRARY,
        description=_stated(package, "Summary"),
        purl=purl,
        bom_ref=str(purl),
        licenses=[_license(package)],
    )


def _license(package: Distribution) -> License:
    """Return the license of a package. Raises `MaterialsError` if it is no SPDX expression."""
    stated = license_of(package)
    made = LicenseFactory().make_from_string(stated)
    if getattr(made, "name", None) is not None:
        raise MaterialsError(
            f"{package.name}: {stated!r} is not an SPDX expression: add it to SPDX in this file"
        )
    return made


def _needs(package: Distribution) -> Iterator[Requirement]:
    for text in package.requires or ():
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield need


def licenses() -> str:
    """Return the packages of others with their licenses, then the texts. Raises `MaterialsError`."""
    others = packages()[len(OURS) :]
    titles = {one.name: f"{one.name} {one.version}: {license_of(one)}" for one in others}
    texts = [f"{titles[one.name]}\n\n{text}" for one in others for text in license_texts(one)]
    listed = "\n".join(["Dial Gateway's image contains these packages of others:\n", *titles.values()])
    return f"\n\n{'-' * 80}\n\n".join([listed, *texts]) + "\n"


def main() -> int:
    """Write both files into a folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    make_outputter(bill_of_materials(), OutputFormat.JSON, SchemaVersion.V1_6).output_to_file(
        str(folder / BILL), allow_overwrite=True, indent=2
    )
    (folder / LICENSES).write_text(licenses(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
