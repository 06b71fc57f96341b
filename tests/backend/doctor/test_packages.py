"""The packages against the requirements."""

from pathlib import Path

import pytest

from backend.doctor.finding import Finding, Level
from backend.doctor.packages import look

ROOT = Path(__file__).resolve().parents[3]


class Site:
    """A folder of installed packages, which have nothing but their metadata."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def install(self, name: str, version: str, *requires: str, extras: str = "") -> None:
        folder = self._path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {each}" for each in requires]
        lines += [f"Provides-Extra: {extras}"] if extras else []
        folder.joinpath("METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return Site(folder)


def required(tmp_path: Path, text: str) -> Finding:
    """What is said of a requirements file with this text."""
    file = tmp_path / "requirements.txt"
    file.write_text(text)
    [finding] = look([file])
    return finding


def test_our_own_requirements_are_met() -> None:
    [finding] = look([ROOT / "backend" / "requirements.txt"])
    assert finding.level is Level.GREEN
    assert "are there as required" in finding.text


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    finding = required(tmp_path, "no-such-lamp~=1.0\n")
    assert finding.level is Level.RED
    assert finding.text == f"no-such-lamp is not installed ({tmp_path.name}/requirements.txt)"


def test_a_version_out_of_range_is_named(site: Site, tmp_path: Path) -> None:
    site.install("a-lamp", "2.1")
    finding = required(tmp_path, "# lamps\nA_Lamp>=1,<2  # of old\n")
    assert finding.text.startswith("a-lamp is 2.1, wanted is <2,>=1 (")


def test_what_a_package_needs_is_looked_at_too(site: Site, tmp_path: Path) -> None:
    site.install("a-lamp", "1.0", "no-such-oil>=3", 'no-such-wick; python_version < "3"')
    assert required(tmp_path, "a-lamp\n").text == "no-such-oil is not installed (a-lamp)"


def test_an_extra_is_looked_at_where_it_is_asked_for(site: Site, tmp_path: Path) -> None:
    site.install("a-lamp", "1.0", 'no-such-shade; extra == "shade"', extras="shade")
    assert required(tmp_path, "a-lamp\n").level is Level.GREEN
    asked = required(tmp_path, "a-lamp\na-lamp[shade]\n")
    assert asked.text == "no-such-shade is not installed (a-lamp)"


def test_packages_that_need_each_other_come_to_an_end(site: Site, tmp_path: Path) -> None:
    site.install("a-lamp", "1.0", "an-oil")
    site.install("an-oil", "1.0", "a-lamp")
    assert required(tmp_path, "a-lamp\n").text == "2 are there as required"


def test_the_options_of_pip_are_passed_over(tmp_path: Path) -> None:
    finding = required(tmp_path, "--index-url https://example.com\n-r other.txt\n./folder\n???\n")
    assert finding.level is Level.GREEN


def test_of_many_that_are_missing_some_are_named(tmp_path: Path) -> None:
    finding = required(tmp_path, "".join(f"no-such-{number}\n" for number in range(5)))
    assert finding.text.count("is not installed") == 3
    assert finding.text.endswith(", and 2 more")
