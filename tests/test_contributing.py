"""CONTRIBUTING.md names the checks of the gate, .ci/run, and they run before each commit."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.conftest import PROJECT

pytestmark = pytest.mark.quick
GUIDE = (PROJECT / "CONTRIBUTING.md").read_text()
BLOCKS = [block.splitlines() for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)]
GATE = re.findall(r"^(?:python -m pytest|ruff|pyrefly) ?.*$", (PROJECT / ".ci/run").read_text(), re.MULTILINE)


def test_its_checks_are_those_of_the_gate():
    assert BLOCKS[-1] == GATE
    assert len(GATE) == 4


def test_it_sets_up_as_the_readme_does():
    assert BLOCKS[0][0] in (PROJECT / "README.md").read_text()


def test_its_checks_but_for_the_tests_run_before_a_commit():
    [local] = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == [check for check in GATE if "pytest" not in check]


def test_every_tier_that_it_names_is_a_marker(pytestconfig):
    markers = {line.partition(":")[0] for line in pytestconfig.getini("markers")}
    assert set(re.findall(r"pytest -m (\w+)", GUIDE)) <= markers
