"""Who may do what, and see which tasks."""

import pytest

from backend.access import EVERYBODY, Caller, Scope
from tests.backend.making import a_task


def caller(*scopes: Scope) -> Caller:
    return Caller("k1", "a client", frozenset(scopes))


@pytest.mark.parametrize("scope", Scope)
def test_key_may_what_its_scope_says(scope: Scope) -> None:
    may = {each for each in Scope if caller(scope).may(each)}
    assert may == (set(Scope) if scope is Scope.ADMIN else {scope})


@pytest.mark.parametrize("owner", ["k2", None])
def test_another_ones_task_is_not_seen(owner: str | None) -> None:
    assert not caller(Scope.READ, Scope.SUBMIT).may_see(a_task(owner=owner))


def test_own_task_is_seen() -> None:
    assert caller(Scope.READ).may_see(a_task(owner="k1"))


@pytest.mark.parametrize("who", [EVERYBODY, caller(Scope.ADMIN)])
@pytest.mark.parametrize("owner", ["k2", None])
def test_operator_sees_all(who: Caller, owner: str | None) -> None:
    assert who.may_see(a_task(owner=owner))
