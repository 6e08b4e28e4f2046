"""The library client, `requests`, without the limits that Python has and HTTP has not."""

import http.client

import requests

http.client._MAXHEADERS = 1 << 20  # header lines; 100 as it comes
http.client._MAXLINE = 1 << 20  # bytes of a line

read_status = http.client.HTTPResponse._read_status


def read_final_status(response: http.client.HTTPResponse) -> tuple[str, int, str]:
    """Interim answers are passed over, all of them and not 100 alone (RFC 9110, section 15.2)."""
    while True:
        version, status, reason = read_status(response)
        if not 101 < status < 200:
            return version, status, reason
        http.client._read_headers(response.fp)


http.client.HTTPResponse._read_status = read_final_status


def new_session() -> requests.Session:
    """A session that takes nothing from the environment: no proxy, no .netrc."""
    made = requests.Session()
    made.trust_env = False
    return made
