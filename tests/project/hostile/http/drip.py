"""Attack: an answer a byte at a time, so that something always comes
Hurts: waited
"""

FIRST = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
THEN = b"z"
PAUSE = 0.1
