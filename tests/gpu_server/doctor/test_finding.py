"""A finding as a line."""

from gpu_server.doctor.finding import green, red


def test_fields_have_tabs_between_them() -> None:
    assert red("disk", "is full", "free room").line() == "red\tdisk\tis full\tfree room"


def test_no_text_makes_two_lines_or_fields() -> None:
    assert green("a subject", "one\ntwo\tthree").line() == "green\ta subject\tone two three\t"
