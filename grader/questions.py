"""The question that a failure ends with. It leads and is never the answer; each kind of trouble has its own.

A check gives one question, or a table: words to look for in what was seen -> question. The first words that are
found count; "" is found in everything. Where a check has no question for what was seen, the common ones serve.
"""

import re
from collections.abc import Mapping

Questions = str | Mapping[str, str]

ENDED = "what ended the server, or its listener, and on whose account?"

#: Whatever the check is about: of a server that has ended, the end is what counts.
FIRST = {
    "so the grader ended it": "what does the loop that makes processes wait for, each time round?",
    "Address already in use": "what is left of the server before on this port, and what lets another bind beside it?",
    "ended before it listened": "what did it print last, and what was it about to do then?",
    "a traceback was printed": "who catches what the signal raises?",
    "could not connect: refused": ENDED,
    "the server has ended": ENDED,
}
BYTES = "which values in that line are bytes, which are str, and where does each come from?"
RAISED = "what had the clients done just before this error, and what should your code do then?"
#: Words of the error that was raised -> what is asked then: of a slip in the code clients need not have done anything.
ERRORS = {
    **dict.fromkeys(
        ("closed file", "Bad file descriptor", "negative integer"),
        "who has closed what this line uses, and who still has it in hand?",
    ),
    "non-blocking sockets": "which sockets does this call refuse, and which other call does the same for yours?",
    "BlockingIOError": "which call could not be done at once and would not wait, and who catches what it raises?",
    "changed size during iteration": "what changes while the loop goes over it, and who changes it?",
    "'NoneType'": "which value is None here, who gave it, and what was counted on in its place?",
    "positional argument": "which arguments does this function take, which does it get, and who calls it?",
    "to unpack": "how many parts does that line count on, and how many may a stranger send?",
    "not in list": "who else takes something out of this list, and when?",
    "IndexError": "how many are there at that line, and may there be fewer than it counts on?",
    "embedded null": "which byte can no name of a file hold, and who may send it all the same?",
    "Unicode": "whose bytes are these, and do they have to be text?",
    **dict.fromkeys(
        ("annot mix str", "bytes-like", "not bytes", "to bytes", '"bytes"', "strings and bytes"),
        BYTES,
    ),
    "ChildProcessError": "what does wait(2) say when no child is left to wait for, and where does that come out?",
    "KeyError": "which key is this, who is to put it there, and who takes it out?",
    **dict.fromkeys(("AttributeError", "TypeError"), "what is it that this line has got, and which line made it?"),
    **dict.fromkeys(
        ("NameError", "UnboundLocalError"), "where does this name get its value, and has that line run by then?"
    ),
}
ERROR = re.compile(r"printed a traceback: (.*)")
SILENT_ENDS = "not one byte came, then"
#: Wherever it is seen, whatever the check is about.
LOOPS = "the main thread goes round and round"
TELLING = {
    "until it is armed again": "who arms this watch again, and when?",
    "no epoll watches the listener": "how does the loop hear of a new client?",
    LOOPS: "which loop is the main thread in, what is to end it, and what if that never comes?",
    "is another: [H]TTP/1.": "what is sent once more, and how does the server know what has been sent already?",
    "stands at byte": "which byte of the file comes next for this client, and what moves that place?",
    "edge-triggered": "when does an edge-triggered watch speak again, and what was left undone when it last did?",
}

#: Wherever it is seen: of a status that says what the server thinks, that is what is asked about.
STATUSES = {
    "was answered 403": "the server knows that this is not to be sent, then which status says so to a client?",
    "was answered 400": "what in this request does your code take for a mistake, and what exactly did it look at?",
    "was answered 501": "what does your code take for the method here, byte for byte?",
    "was answered 405": "what does your code take for the method here, byte for byte?",
    "was answered 500": "which error stands behind this status, and where was it raised?",
}
#: What is asked where a rule of the contract is broken, whichever scene has shown it.
RULES = {
    "readable": "what would a person see in the browser?",
    "coding": "which version of HTTP does the client speak, and does that one know chunks?",
    "interim": "which version of HTTP does the client speak, and does that one know interim answers?",
    "length": "how does a client know where this answer ends, if the stream does not end?",
    "planted": "what of a request goes into the head of the answer, and what may such a line hold?",
    "last answer": "who looks, before the next request is taken, whether the answer before was the last one?",
    "one answer": "how often is one request answered, and on which paths?",
    "early": "by what does the server know that a head is complete?",
    "patience": "after how long is a client that has not finished given up, and why?",
    "ends": "on which path through your code is this connection closed, and does every answer get there?",
    "stays": "who decided that this connection should end?",
    "answered behind": "what is left in the buffer when the first request has been taken out, and who looks there?",
}
COUNTED = "what was counted for this Content-Length, and is that the whole body?"
NO_LENGTH = "how does a client know where this answer ends, if the stream does not end?"
COMMON = {
    "nobody had asked for": "what is sent once more, and how does the server know what has been sent already?",
    "states no length came, and the connection stays open": NO_LENGTH,
    "of an answer came, and the connection stays open": "what is still to be sent of this answer, and who sends it?",
    "its answer came whole, and the connection stays open": "who still holds the socket of this client?",
    "never taken": "who takes connections out of the backlog, and what keeps it from doing so?",
    "nobody has accepted it": "who accepts while the server is busy with somebody else?",
    "has not read": "who is to read from this client, and what keeps it from doing so?",
    "read all that it sent": "by what does the server know that the request is complete, and what comes next?",
    "stays open": "what does the server wait for now, and will it come?",
    "after the end of the answer": "what does Content-Length count, and what is sent beyond it?",
    "Content-Length says": "who counts the bytes of the body, and who sees to it that all of them are sent?",
    "Content-Length": "which lines of the head say how long the body is, and who writes each of them?",
    "in the middle of the head": "which bytes end each line of a head, which end the head, and was it all sent?",
    "no blank line": "what ends the head of an answer?",
    "Content-Encoding": "what does this line say of the bytes that follow, and has the client asked for that?",
    "is not HTTP": "which line of the answer breaks which rule, and where does your code write it?",
    "answer begins with": "what is the first thing that every answer has to say?",
    "status line": "what is the first thing that every answer has to say?",
    "header line": "which two bytes end every line of a head?",
    "a reset": "what makes the kernel send a reset, and not the end of the stream?",
    "end of the stream": "on which path is this connection closed too soon: an early return, an error passed over?",
    "from outside the root": "where does the path end up, once every `..` and every link is followed?",
    "the head has promised": COUNTED,
    "only the first": "where are the other bytes: never read from the file, or never taken by send()?",
    "got the": "whose answer is this, and how did it come to this client?",
    "is another": "which file, or whose answer, are these bytes from?",
    "was answered 404": "which line of your code says 404 here, and which path, byte for byte, had it looked for?",
    "was answered": "which line of your code decides over this status?",
}


QUOTED = re.compile(r"""b'(?:[^'\\]|\\.)*'|b"(?:[^"\\]|\\.)*\"""")  # what a server has sent chooses no question


def choose(seen: str, own: Questions = "", *, raised: bool = False) -> str:
    """The question for what was seen; raised: the server has printed a traceback. "" if there is none."""
    seen = QUOTED.sub("", seen)
    if found := look_up(FIRST, seen):
        return asked_of_an_error(seen) if raised and found == ENDED else found
    if raised and SILENT_ENDS in seen:
        return asked_of_an_error(seen)
    if found := look_up(TELLING, seen):
        return found
    table = {"": own} if isinstance(own, str) else own
    of_status = next((words for words in STATUSES if words in seen and words not in table), "")
    return STATUSES.get(of_status, "") or look_up(table, seen) or look_up(COMMON, seen)


def asked_of_an_error(seen: str) -> str:
    error = ERROR.search(seen)
    return (error and look_up(ERRORS, error[1])) or RAISED


def look_up(table: Mapping[str, str], seen: str) -> str:
    return next((asked for words, asked in table.items() if asked and words in seen), "")
