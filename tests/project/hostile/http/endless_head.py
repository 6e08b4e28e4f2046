"""Attack: a head that has no end
Hurts: kept
"""

FIRST = b"HTTP/1.1 200 OK\r\n"
THEN = b"X: " + b"y" * 65536 + b"\r\n"
