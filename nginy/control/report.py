"""What a change did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What a reload did. late_workers: slots that had not adopted the generation in time."""

    generation: int
    changes: list[str]
    warnings: list[str]
    late_workers: list[int]
