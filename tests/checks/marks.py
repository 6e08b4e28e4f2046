"""What a check is worth."""

import pytest

points = pytest.mark.points
stretch = pytest.mark.stretch
