"""Where on a picture a moment is.

The axis keeps the order of what the clients saw, and not the scale: a wait a thousand times longer is only
some times wider, so that what took a millisecond can be seen beside what took a second.
"""

import math
from bisect import bisect_right

SILENCE = 0.5  # seconds: a longer gap in which nothing happened is named on the axis


def duration(seconds: float) -> str:
    """`0.3 ms`, `12 ms`, `1.5 s`."""
    for digits, below in ((2, 0.000995), (1, 0.00995), (0, 0.9995)):
        if seconds < below:
            return f"{seconds * 1000:.{digits}f} ms"
    return f"{seconds:.1f} s"


class Axis:
    """Time -> percent. Between two moments of the clients time runs evenly; how wide they are apart grows with
    the logarithm of the time between them."""

    WIDTH = 97.0  # percent: the rest is for the end's mark

    def __init__(self, moments: set[float], began: float, ended: float, *, even: bool = False):
        """even: all moments are equally wide apart, and order is all that is shown."""
        inside = {moment for moment in moments if began <= moment <= ended}
        self.moments = sorted(inside | {began, ended})
        self.places = [0.0]
        for before, after in zip(self.moments, self.moments[1:], strict=False):
            gap = 1.0 if even else 0.5 + math.log1p((after - before) / 0.001)
            self.places.append(self.places[-1] + gap)
        scale = self.WIDTH / (self.places[-1] or 1)
        self.places = [place * scale for place in self.places]

    def at(self, time: float) -> float:
        index = bisect_right(self.moments, time)
        if index == 0:
            return 0.0
        if index == len(self.moments):
            return round(self.places[-1], 2)
        before, after = self.moments[index - 1 : index + 1]
        left, right = self.places[index - 1 : index + 1]
        return round(left + (right - left) * (time - before) / (after - before), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """A few moments and how long after the beginning they were."""
        found: list[tuple[float, str]] = []
        for moment, place in zip(self.moments, self.places, strict=True):
            words = duration(moment - self.moments[0]) if found else "0"
            if not found or (place - found[-1][0] >= 14 and place < 84 and words != found[-1][1]):
                found.append((round(place, 2), words))
        return found

    def silences(self) -> list[tuple[float, float, str]]:
        found = []
        for index, (before, after) in enumerate(zip(self.moments, self.moments[1:], strict=False)):
            if after - before >= SILENCE:
                left, right = self.places[index : index + 2]
                found.append((round(left, 2), round(right - left, 2), duration(after - before)))
        return found
