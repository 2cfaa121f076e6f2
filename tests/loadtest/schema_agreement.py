#!/usr/bin/env python3
"""Checks that scenario.schema.json and the scenario reader accept and refuse the same scenarios.

The reader's side of scenario_cases.json is checked by scenario_test.cpp; this is the schema's side, and martlet-load itself
as a user would call it. Exit codes: 0 agreed, 1 not, 77 skipped because the jsonschema package is missing.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: the Python package jsonschema is missing (Debian: apt install python3-jsonschema)")
    sys.exit(77)


def main(cases_file, schema_file, program, example_directory):
    schema = json.loads(pathlib.Path(schema_file).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    wrong = []
    cases = json.loads(pathlib.Path(cases_file).read_text())
    for case in cases:
        accepted = validator.is_valid(case["scenario"])
        expected = "error" not in case or case.get("schema") == "cannot say it"
        if accepted != expected:
            wrong.append(f"{case['title']}: the schema {'accepts' if accepted else 'refuses'} it")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as scenario:
            json.dump(case["scenario"], scenario)
            scenario.flush()
            status = subprocess.run([program, "check", scenario.name], capture_output=True).returncode
        if status != (2 if "error" in case else 0):
            wrong.append(f"{case['title']}: martlet-load check ends with {status}")
    examples = sorted(pathlib.Path(example_directory).glob("*.json"))
    for example in examples:
        if not validator.is_valid(json.loads(example.read_text())):
            wrong.append(f"{example}: the schema refuses it")
    print("\n".join(wrong) or f"{len(cases)} cases and {len(examples)} examples agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
