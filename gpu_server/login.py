"""The name and password that a URL may have in it: `http://name:password@host`."""

LEAST_SECRET = 8
"""Characters of what stands alone, from which on it is taken for a token, not for a name."""


def login_of(url: str) -> str:
    """What no log is to show of a URL; empty where it has nothing to hide."""
    login = _before_at(url)
    return login if ":" in login or len(login) >= LEAST_SECRET else ""


def without_login(url: str) -> str:
    """The URL as others may read it."""
    login = _before_at(url)
    return url.replace(f"{login}@", "", 1) if login else url


def _before_at(url: str) -> str:
    # By no parser: of a URL that is wrong, nothing is to be seen either.
    return url.rpartition("@")[0].rpartition("://")[2]
