"""Attack: a small body that grows to 60 MB
Hurts: kept
"""

import gzip

BODY = gzip.compress(bytes(60 << 20), 1)
FIRST = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
THEN = b""
