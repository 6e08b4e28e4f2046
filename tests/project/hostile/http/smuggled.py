"""Attack: a second answer behind the first, for a request that is still to come
Hurts: deceived
"""

FIRST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
THEN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake"
PAUSE = 0.01
