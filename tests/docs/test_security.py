"""docs/security.md names for each threat the tests that show what stands against it: they are there."""

import re

from commands import REPOSITORY

PAGE = REPOSITORY / "docs/security.md"


def names_of_tests():
    """Of all tests, in both languages."""
    names = set()
    for path in (REPOSITORY / "tests").rglob("*_test.cpp"):
        text = path.read_text()
        names |= set(re.findall(r"^(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\(\s*\w+,\s*(\w+)", text, re.M))
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        names |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.M))
    return names


def test_each_threat_has_tests_that_exist():
    text = PAGE.read_text()
    threats = [line for line in text.partition("## Threats")[2].partition("## ")[0].splitlines()
               if line.startswith("| **")]
    assert len(threats) >= 15
    known = names_of_tests()
    for threat in threats:
        shown = re.findall(r"`(\w+)`", threat.rsplit("|", 2)[1])
        assert shown, f"nothing shows it: {threat[:60]}"
        missing = set(shown) - known
        assert not missing, f"no test is called {missing}: {threat[:60]}"
