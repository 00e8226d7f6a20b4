"""The bill of materials lists exactly what the image contains, and every license is known."""

import json
from pathlib import Path
from typing import Any

from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

from scripts import materials
from tests.packaging.image import Image

COPYLEFT = ("GPL", "EUPL", "SSPL")


def bill() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text_of_the_bill())
    return document


def text_of_the_bill() -> str:
    return make_outputter(
        materials.bill_of_materials(), OutputFormat.JSON, SchemaVersion.V1_6
    ).output_as_string()


def test_the_bill_is_valid() -> None:
    """It follows CycloneDX's own schema, names each component once, and says what has written it."""
    text = text_of_the_bill()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    made = json.loads(text)
    about = made["metadata"]
    refs = [one["bom-ref"] for one in [*made["components"], about["component"]]]
    assert len(refs) == len({*refs})
    needs = {one["ref"]: one.get("dependsOn", []) for one in made["dependencies"]}
    assert needs.keys() == {*refs} >= {ref for found in needs.values() for ref in found}
    assert about["timestamp"]
    assert about["tools"]["components"][0]["name"] == "cyclonedx-python-lib"


def test_the_bill_lists_what_the_image_contains(image: Image) -> None:
    made = bill()
    listed = {(canonicalize_name(one["name"]), one["version"]) for one in made["components"]}
    found = [path.stem.partition("-") for path in image.root.glob("lib/*/site-packages/*.dist-info")]
    installed = {(canonicalize_name(name), version) for name, _, version in found}
    ours = made["metadata"]["component"]
    assert listed | {(ours["name"], ours["version"])} == installed
    assert len(listed) > 30


def test_each_package_has_a_license_and_its_dependencies() -> None:
    made = bill()
    for one in made["components"]:
        (stated,) = one["licenses"]
        expression = stated.get("expression") or stated["license"]["id"]
        assert not any(word in expression for word in COPYLEFT), one["name"]
    needs = {one["ref"]: one.get("dependsOn", []) for one in made["dependencies"]}
    (gateway,) = [ref for ref in needs if ref.startswith("pkg:pypi/dial-gateway@")]
    needed = {ref.partition("@")[0] for ref in needs[gateway]}
    assert needed >= {"pkg:pypi/boto3", "pkg:pypi/dial-gateway-client"}


def test_the_texts_of_all_licenses_are_there() -> None:
    text = materials.licenses()
    for package in materials.packages()[2:]:
        assert f"{package.name} {package.version}: {materials.license_of(package)}\n\n" in text


def test_dist_writes_both(tmp_path: Path) -> None:
    """`make dist` calls the module; the names of its files are those that SECURITY.md states."""
    root = materials.ROOT
    assert "-m scripts.materials dist\n" in (root / "Makefile").read_text()
    for name in (materials.BILL, materials.LICENSES):
        assert f"`{name}`" in (root / "SECURITY.md").read_text()
