"""Attack: an answer that sends the client somewhere else
Hurts: led
"""

FIRST = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:OTHER/\r\nContent-Length: 0\r\n\r\n"
THEN = b""
