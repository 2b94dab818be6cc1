"""A pair of acquisitions."""

from __future__ import annotations

from dataclasses import dataclass

from creepmeter.errors import NetworkError
from creepmeter.model.epoch import Epoch, EpochLike, as_epoch, days_between


@dataclass(frozen=True, order=True, slots=True)
class Pair:
    """Two acquisitions; displacement runs from `ref` to `sec`.

    Parameters
    ----------
    ref, sec : datetime64[ns]
        Epochs of the two acquisitions, `ref` first. `Pair.of` takes dates of any kind.

    Raises
    ------
    NetworkError
        `sec` is not later than `ref`.
    """

    ref: Epoch
    sec: Epoch

    def __post_init__(self) -> None:
        if not self.sec > self.ref:  # so that NaT, which compares false, is refused too
            message = f"a pair must run forward in time, got {self.ref} -> {self.sec}: swap the two"
            raise NetworkError(message)

    @classmethod
    def of(cls, ref: EpochLike, sec: EpochLike) -> Pair:
        """Make a pair from two dates of any kind."""
        return cls(as_epoch(ref), as_epoch(sec))

    @property
    def days(self) -> float:
        """Days from `ref` to `sec`."""
        return days_between(self.ref, self.sec)

    def __str__(self) -> str:
        """Return ``YYYYMMDD_YYYYMMDD``."""
        return "_".join(str(epoch)[:10].replace("-", "") for epoch in (self.ref, self.sec))
