"""Commands that only remember what they were asked."""

from typing import Any


class Answers:
    """Commands for a test: answers with the request, or as told."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answer: dict[str, Any] | None = None
        self.failure: Exception | None = None

    async def run(self, request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self.failure:
            raise self.failure
        return self.answer or {"ok": True, "result": request}
