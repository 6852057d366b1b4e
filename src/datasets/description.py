"""What the data teach net and task: made once, kept in the checkpoint, compared as a whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from src.console.messages import UserError


@dataclass(frozen=True)
class DataDescription:
    """Plain data, which a checkpoint can hold.

    Attributes:
        input_shape: of one x; None for a size that varies from example to example.
        indices: x are whole numbers for an embedding (int64), which are not standardized.
        target_shape: of one y; () for a single number.
        target_is_float: whether y holds fractions.
        classes: their names by number; None where y is no class number.
        target: the name of y.
        targets: the names of its values.
        reader: the spec of what reads new inputs as these data were read.
        fingerprint: the same for the same examples in the same order.
    """

    input_shape: tuple[int | None, ...]
    indices: bool
    target_shape: tuple[int, ...]
    target_is_float: bool
    classes: list[str] | None
    target: str = field(compare=False)
    targets: list[str] = field(compare=False)
    reader: dict[str, Any] = field(compare=False)
    fingerprint: str = field(compare=False)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> DataDescription:
        """The description that `plain` has kept."""
        shapes = {name: tuple(plain[name]) for name in ("input_shape", "target_shape")}
        return cls(**{**plain, **shapes})

    def plain(self) -> dict[str, Any]:
        """As lists, texts and numbers."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def check_same(self, other: DataDescription) -> None:
        """Raise UserError if what was learnt from these data cannot be used on `other`."""
        for name in (f.name for f in fields(self) if f.compare):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                shown = [list(value) if isinstance(value, tuple) else value for value in (mine, theirs)]
                raise UserError(f"The run was trained on data with {name} {shown[0]}, but these have {shown[1]}.")
