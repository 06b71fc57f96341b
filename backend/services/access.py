"""Who a request is from."""

from backend.access import EVERYBODY, Caller


class AccessService:
    """Knows callers by their keys."""

    async def caller(self, key: str | None) -> Caller:
        """Whose key it is."""
        return EVERYBODY
