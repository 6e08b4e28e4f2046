"""What a failed check asks: the question for each kind of trouble that was seen, as `grader.questions.choose` reads it.

A question leads to the bug in the words of the lesson, and is never the answer.
"""

from grader.questions import COUNTED, NO_LENGTH, Questions

# How it starts and ends

WHERE = "where do the host and the port of bind() come from, and what if no argument names them?"
NOT_YET = "which call had nothing to give yet, what did it raise or return, and what was made of that?"
PATH = "which path does your code open for this target, from its first byte to its last, and what lies there?"
FIRST_ANSWER = {
    "nobody has accepted it": "which call takes a connection out of the backlog, and when does your code make it?",
    "has not read": "which call takes bytes from a connection, and when does your code make it?",
    "read all that it sent": "by what is a request known to be complete, and where would an error after that show?",
    "not one byte came, then": "who closes the connection, and has the one who serves the client done so by then?",
    "was answered": PATH,
}

#: Of a server whose calls do not wait.
FIRST_ANSWER_AT_ONCE = FIRST_ANSWER | {"not one byte came, then": NOT_YET}

ROOT = "which folder is served by default, and is all that is in it inside of it, for your code?"

# How the step serves

BLOCKING = {
    "the listener": "which calls on the listener may wait, and what makes them return at once?",
    "": "what kind of socket does accept() hand on?",
}
WATCHED = {
    "the listener not": "how does the loop hear of a new client?",
    "": "who tells the kernel about a new socket, and when?",
}
SLEEP = {
    "nanosleep": "what is the nap for, if the kernel says who has something?",
    "running": "which event comes again and again, and what is done about it? Or does epoll not wait for any?",
    "": "where does the loop wait, in which call, and for what?",
}
NO_REST = {
    "no client": "what keeps the loop awake while nobody is there?",
    "stalled": "which event keeps coming, and who asked for it? Or does the loop not wait for any?",
    "do not read": "when is there room again, who says so, and what does the loop do until then?",
    "large answers": "what was asked of epoll while there was no room, and who took it back?",
    "resets": "which events tell of a reset, and who takes the socket out of epoll then?",
    "descriptors": "who is still in the backlog while accept() fails, and what keeps the loop from trying at once?",
    "no traffic": "which event keeps coming, and who asked for it? Or does the loop not wait for any?",
}
IN_TURN = "who asks each socket whether there is something, your loop or the kernel?"
NAP = "how long is the nap, who is not asked meanwhile, and what is it for?"
TURN = "when is it the next client's turn, and may the server go on with another before?"
WAITED = "what becomes of those who wait in the backlog while one client takes long?"
NEXT_CLIENT = {
    "came, then": "what does the server do with those who come while it is busy?",
    "": "what does the server do when it is done with a client?",
}

APART = {
    "for none of": "which process talks with a client, and which one accepts the next?",
    "for 1 of": "which process talks with the second client while the first one stalls?",
    "": "how many processes may there be at a time, and what becomes of the next client?",
}
# Whatever a client sends, the next is served; a thousand of them too

NEXT_ALIVE = "what does the server still do for the client before, who has left?"
THOUSAND = "what grows by one with each client, and how large may it become?"
BESIDE_MANY = "in what is it counted how long a client has been silent: in seconds, or in rounds and in other clients?"
OUTPUT = "what does print() raise when nobody reads, and where in your code would it be raised?"
NONE_TO_BE_HAD = "what is raised when there can be no more processes or threads, and who catches it?"

# Clients who stall, stop reading, vanish

AT_ONE_MOMENT = {
    "was answered": "whose request is this, and who else has it in hand?",
    "": "who serves the last one, if several come before the first is in hand, and when is it counted who is free?",
}
ALONE = {
    "nobody has accepted it": "whom does the server wait for before it accepts the next client?",
    "has not read": "who is to read from this client, and whom does that one wait for first?",
    "read all that it sent": "what keeps the answer back: whom does the one who should send it wait for?",
    "got the": "whose answer is this, and where is what each client has sent kept apart?",
    "is another": "whose bytes are these, and where are those of each client kept apart?",
    "was answered": "whose bytes did the server take for this client's request?",
    "came, then": "whose connection was to be closed here, and whose was?",
}
FLOOD = {
    "MiB of the flood": "when does the loop that reads from one client end, if there is always more?",
    **ALONE,
}
WINDOW = {
    **ALONE,
    "read all that it sent": "what does send() do when the client's window is full, and who waits with it?",
    "nobody has accepted it": "what does send() do when the client's window is full, and who waits with it?",
    "has not read": "what does send() do when the client's window is full, and who waits with it?",
}
LINGER = "which option of a socket lets close() wait, and for whom?"
ROOM = "for how many such heads is there room at once, and what becomes of one more?"
ALWAYS_A_PART = "when does the buffer begin anew, if something is always left in it?"
STAYS = "what did one who left close, or give back, and who else had it in use?"
REST = {
    "stays open": "who remembers what is left to send, and what says that there is room again?",
    "is another": "which byte comes next for this client, and what else moves that place in the file?",
    "too many": "which byte of the file comes next, after a send() that took only some of them?",
    "Content-Length says": "what ended the sending: error, time-out, or fewer bytes read or taken than counted on?",
    "came, then": "who ended this connection while its client was not reading: an error, or a time-out?",
}
OPENED = {
    "files of the root": "where is the file closed, and on which paths does your code not get there?",
    "pipes": "what makes a pipe for each client, and what would close it?",
    "sockets": "where is the client's socket closed, and on which paths does your code not get there?",
    "": "what is opened for each client, and where is it closed?",
}
LEFT = {
    "files of the root": OPENED["files of the root"],
    "other files more": OPENED[""],
    " 0 bytes and left by a close": "what does recv() return when a client has closed, and what do you make of it?",
    "left by a close": "what does recv() return when a client closes in mid-request, and what does your code do then?",
    "left by a reset in mid-answer": "what does send() raise when a client resets the connection, and who closes then?",
    "left by a reset": "who hears that a client has reset the connection, what does recv() raise then, and who closes?",
    "no connections any more": "what do recv() and send() raise once a connection is over, and who closes it then?",
    "before they were accepted": "what do you do with a connection that was over before you got it?",
    "mid-answer": "what does send() raise when a client resets the connection, and who closes the socket then?",
    "idle": "who hears that a client which asks for nothing more has left?",
    "rounds of them": "what is done with all that belongs to a client when it is given up?",
    "": "which path through your code does such a client take to its end, and what is still open there?",
}

MISSED = "who serves the next client, when those who have served such clients are no more?"
REAPED = "who waits for a child that has ended, and for how many at a time?"

# Where requests and answers begin and end

ASSEMBLE = {
    "has not read": "how does the server hear that more has come, and does it read all that there is?",
    "stays open": "where are the bytes kept that came before the blank line did, and how is it found among them?",
    "not one byte came, then": "what made the server give up this head, and how much of it did it know by then?",
    "was answered": "which bytes did the server take for this request?",
}
EARLY = {
    "answered all the same": "by what does the server know that a head is complete?",
    "": "after how many pieces, or how many bytes, is a head given up, and why?",
}
LONG_HEAD = {
    "has not read": ASSEMBLE["has not read"],
    "stays open": ASSEMBLE["stays open"],
    "": "how long may a head be, and what is counted: all that has come, or one recv()?",
}
WAITS = "who else has to wait while this client sends on and on?"
REUSED = {
    "Incomplete": "what do the header lines promise, and what does the body hold?",
    "timed out": "what do the header lines promise, and what does the body hold?",
    "": NO_LENGTH,
}
HEADERS = {
    "Incomplete": "what do the header lines promise, and what does the body hold?",
    "is another": "what do the header lines promise, and what does the body hold?",
    "": "which header lines does a real client send, and what does your code make of each?",
}
STRICT: dict[tuple[str, str], Questions] = {
    ("GET", "1.1"): "",
    ("DELETE", "1.1"): {"was answered": "which methods does the server know, and how does it tell?"},
    ("GET", "1.0"): {"was answered": "which versions of HTTP may a request name?"},
}

# Which bytes a path stands for

SENDS = {
    "Content-Length says": "how much of it did one read() give, and how much of that did one send() take?",
    "the head has promised": COUNTED,
    "only the first": "how much of it did one read() give, and how much of that did one send() take?",
    "was answered": "what about this file makes your code say so?",
}
FRESH = {
    "was answered": "when does the server look whether there is such a file?",
    "": "when is the file read, and how does the server know that it is still the same?",
}
CHANGES = {
    "stays open": "what was counted on when the sending began, and is there still so much to come?",
    "": "how many bytes were promised, and who sees to it that no more come?",
}
WITHOUT_SLASH = "what is /sub itself: a file that can be sent?"
BESIDE = "what is this line to a server that is asked for a file, and which of them may be left unread?"
PLAIN = {
    "was answered": PATH,
    "is another": "are the bytes sent as they are in the file?",
}
CONTENT = {
    "was answered": "what about this file makes your code say so: its length, its name, or what is in it?",
    "is another": "are the bytes sent as they are in the file?",
}

PAGE_INSTEAD = {
    "was answered": "what becomes of the status when a page of the site is sent for what is not there?",
    "": "what is sent for what is not there, if the site has a page for that?",
}
AS_IT_IS = "what does your code make of this file, by its name or by what is in it, but a row of bytes?"
BY_NAME = "for which names does your code have an answer of its own, and is the file looked for before that?"
PACKED = "which file was asked for, and what has its packing to do with it?"

GENERATED = {
    "was answered": "what about this request, the smallest of many that fail, makes your code say so?",
    "": "what is it about this request, the smallest of many that fail?",
}

# What must not be served

OUTSIDE = {
    "NUL": "which byte can no file name hold, and what do the calls say to it?",
    "%252e": "how often is the path decoded?",
    "/....//": "what is left of `....//` when every `../` has been taken out of it?",
    "www-private": "is all that begins with the root's name inside the root?",
    "": "where does the path end up, once it is decoded and every `..` and every link is followed?",
}
INSIDE = {
    "was answered": "where does this link lead, once it is followed, and is that inside of the root?",
    "Content-Length": "whose length is this: the link's, or that of the file it leads to?",
    "": "what is opened here, and what is measured: the link, or where it leads?",
}
METHODS = {
    "was answered 400": "is there a mistake in this request line, or does the server only not know the word?",
    "was answered 404": "which is looked at first, the method or the path?",
    "was answered 411": "which is looked at first, the method or the body, and has this request one?",
    "": "which methods does the server know, and how exactly does it compare?",
}
REQUEST_LINE = {
    "was answered": "which is looked at first: how many words the line has, or what they say?",
    "stays open": "what is there to split when the request line has not three words?",
    "": "what of a request line is missing here, and where would your code notice?",
}
GOODBYE = {
    "stays open": "what does the end of the requests have to do with the answer?",
    "": "what does recv() returning b'' tell, and what does it not tell?",
}
WANDERS = "what may a path get that climbs and comes back?"

# Long connections

LENGTH = NO_LENGTH
END_IT = "who decided that this connection should end?"
NEXT_ANSWER = {
    "states no length": LENGTH,
    "Content-Length says": LENGTH,
    "after the end of the answer": "what does Content-Length count, and what is sent beyond it?",
    "end of the stream": END_IT,
    "a reset": END_IT,
    "read all that it sent": "what does the server do on this connection once an answer has been sent?",
    "has not read": "who reads from this connection again, once an answer has been sent?",
    "": LENGTH,
}
LEFT_OVER = "what is left in the buffer when the first request has been taken out, and who looks there?"
BUFFER = {
    "states no length": LENGTH,
    "end of the stream": END_IT,
    "a reset": END_IT,
    "read all that it sent": LEFT_OVER,
    "has not read": "who reads from this connection again, once an answer has been sent?",
    "got the": "which request comes next, and which one is this the answer to?",
    "is another": "which request comes next, and which one is this the answer to?",
    "was answered": "where in the buffer does the next request begin?",
    "after the end of the answer": "what does Content-Length count, and what is sent beyond it?",
    "stays open": LEFT_OVER,
}
HEAD_OR_BUFFER = "of what may there be 64 KiB at most: of one head, or of all that has come?"
MANY_HEADS = {"end of the stream": HEAD_OR_BUFFER, "a reset": HEAD_OR_BUFFER}
MANY_HEADS |= {words: question for words, question in BUFFER.items() if words not in MANY_HEADS}
HALF_CLOSED = "does the end of the requests mean the end of the answers, and which of them have been sent?"
FIRST_OF_TWO = {
    "stays open": "is there a whole request in the buffer, and how does your code look for one?",
    "": "where does the first request end?",
}
SEARCH = "from where on is the blank line searched for, now and in the next request?"
PIECES = {
    "stays open": "where is half a request kept, and when is it looked at again?",
    "": "where does one request end and the next begin, when a piece holds the end of one and the start of another?",
}
QUEUE = {
    **BUFFER,
    "stays open": "which answer is being sent, which waits for it, and who goes on with the next one?",
    "read all that it sent": "which answer is being sent, which waits for it, and who goes on with the next one?",
}
KEEPS = {
    "end of the stream": "which line of the head asks to close, and which part of that line?",
    "a reset": "which line of the head asks to close, and which part of that line?",
}
CLOSES_CUT = "is the line looked for in the whole head, or in what one recv() has brought?"
CLOSES = {
    "stays open": "where would the server find in the head that this answer is the last?",
    "a reset": "what is still unread when the socket is closed?",
}

# Beside the points

SURVIVORS = {
    "main one has ended": "who tells the others that the server is to end, and what becomes of them if nobody does?",
    "": "who hears of the signal, and whom does he wait for?",
}
TIMER = {
    "it came after": "from which moment on are the seconds counted?",
    "": "who looks after the time, in a loop that wakes only when a client does something?",
}


def no_rest(when: str) -> str:
    """The question for a server that uses CPU `when` it should not."""
    return next((question for words, question in NO_REST.items() if words in when), "")
