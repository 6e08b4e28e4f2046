"""Attack: a body of a million gigabytes, it says
Hurts: kept
"""

FIRST = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n"
THEN = b"z" * 65536
