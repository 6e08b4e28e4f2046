"""Attack: a body that has no end
Hurts: kept
"""

FIRST = b"HTTP/1.1 200 OK\r\n\r\n"
THEN = b"z" * 65536
