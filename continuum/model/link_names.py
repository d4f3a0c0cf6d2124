"""How links are written: ``A->B`` is the link from A to B, ``A-B`` stands for both directions."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[str, str]


@dataclass(frozen=True)
class LinkName:
    """The name of one link or of a link in both directions.

    Attributes:
        src: tier or node that sends.
        dst: tier or node that receives.
        both: whether the opposite direction is meant as well.
    """

    src: str
    dst: str
    both: bool = False

    @classmethod
    def parse(cls, text: str) -> LinkName:
        """Read ``A->B`` or ``A-B``; ValueError for anything else."""
        arrow = "->" if "->" in text else "-"
        ends = [end.strip() for end in text.split(arrow)]
        if len(ends) != 2 or not all(ends):
            raise ValueError("not a link; write A-B for both directions or A->B for one")
        return cls(ends[0], ends[1], both=arrow == "-")

    def __str__(self) -> str:
        return f"{self.src}{'-' if self.both else '->'}{self.dst}"

    @property
    def ends(self) -> Pair:
        """Both ends, the sender first."""
        return self.src, self.dst

    @property
    def directions(self) -> tuple[Pair, ...]:
        """The ordered pairs that the name stands for."""
        there, back = (self.src, self.dst), (self.dst, self.src)
        return (there, back) if self.both and self.src != self.dst else (there,)


def names_of(src: str, dst: str) -> tuple[str, ...]:
    """Every name that stands for the link from ``src`` to ``dst``; a later one overrides an earlier one."""
    names = (LinkName(src, dst, both=True), LinkName(dst, src, both=True), LinkName(src, dst))
    return tuple(str(name) for name in names)
