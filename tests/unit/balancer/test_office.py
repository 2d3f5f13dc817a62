"""Offices: what they tell control of tables. Questions and answers are in tests/flow."""

import asyncio
from typing import Any

from nginy.balancer.api import Backend
from nginy.balancer.office import Office
from nginy.balancer.publisher import Publisher


class Talker:
    """Says something at every turn of the loop."""

    publish: Publisher

    def build(self, backends: Any) -> None: ...


def test_of_tables_in_a_row_control_hears_the_newest_and_none_before_it_has_read_the_last() -> None:
    async def main() -> None:
        told: list[Any] = []
        office = Office(None, told.append)  # type: ignore[arg-type]  # nobody asks
        asked: list[int] = []

        def is_behind() -> bool:
            asked.append(len(told))
            return len(asked) < 4

        office.is_behind = is_behind
        office.hire("p", Talker, "table")
        publish = office._publishers["p"]
        publish.show({7: Backend(7, "10.0.0.1:80")})
        for weight in range(1, 50):
            publish({7: weight})
            publish.keys({str(weight): 7})
        while not told:
            await asyncio.sleep(0.001)
        assert asked == [0, 0, 0, 0]
        assert [(one["kind"], one["pool"]) for one in told] == [("weights", "p"), ("keys", "p")]
        assert told[0]["weights"] == [(7, 49)] and told[1]["texts"] == [("49", 7)]

    asyncio.run(main())
