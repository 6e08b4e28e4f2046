"""Where a server stands: each process and thread of its family, the call it is in, and whose the descriptor
is, in the words of the lesson."""

from grader.client import Client
from grader.kernel import ESTABLISHED, Task
from grader.launch import Launch
from grader.proof import FOREVER, socket_inode, timeout_of


class Names:
    """Inode -> the name a learner knows it by."""

    def __init__(self, launch: Launch, clients: list[Client]):
        self.launch = launch
        self.sockets: dict[int, str] = {}
        for row in launch.sockets.listeners():
            if launch.listener and row.address[1] == launch.listener.address[1]:
                waiting = f", {row.unread} in its backlog" if row.unread else ", its backlog empty"
                self.sockets[row.inode] = f"the listener{waiting}"
        for client in clients:
            row = client.row(launch.sockets)
            if row and row.inode:
                unread = f"{row.unread} bytes unread" if row.unread else "nothing unread"
                stuck = f", {row.unsent} bytes not yet taken by the client" if row.unsent else ""
                self.sockets[row.inode] = f"{client.name}'s socket, {unread}{stuck}"

    def of(self, target: str) -> str:
        inode = socket_inode(target)
        if inode is None:
            return {"anon_inode:[eventpoll]": "an epoll descriptor"}.get(target, target)
        return self.sockets.get(inode, "a socket of its own")


def where_it_stands(launch: Launch, clients: list[Client], limit: int = 12) -> list[str]:
    """One line a thread; above `limit` lines, those alike are counted."""
    family = launch.family()
    if not any(process.state not in "ZX" for process in family.values()):
        return [how_it_ended(launch)]
    names = Names(launch, clients)
    lines: list[str] = []
    for pid, process in family.items():
        role = "main process" if pid == launch.pid else "process"
        if process.state in "ZX":
            lines.append(f"{role} {pid}: a zombie (ended, and its parent {process.parent} has not waited for it)")
            continue
        tasks = launch.proc.tasks(pid)
        for task in tasks:
            thread = f", thread {task.tid}" if len(tasks) > 1 else ""
            lines.append(f"{role} {pid}{thread}: {doing(launch, task, names)}")
    if len(lines) > limit:
        lines = [*lines[:limit], f"and {len(lines) - limit} more processes and threads"]
    backlog = [row for row in launch.sockets.listeners() if launch.listener and row.inode == launch.listener.inode]
    lines += [backlog_words(row.unread, row.unsent) for row in backlog if row.unread]
    return lines


def backlog_words(waiting: int, most: int) -> str:
    return f"{waiting} connection{' waits' if waiting == 1 else 's wait'} in the backlog (it takes {most})"


def how_it_ended(launch: Launch) -> str:
    status = launch.status
    if status is None:
        return "the server has no process left"
    return (
        f"the server has ended, killed by signal {-status}" if status < 0 else f"the server has ended, status {status}"
    )


def nap_length(seconds: float) -> str:
    """Of a nap that is all but over, nothing is said."""
    return f", {seconds:.3g} s of it to come" if seconds > 0.01 else ""


def doing(launch: Launch, task: Task, names: Names) -> str:
    if task.state == "T":
        return "stopped by a signal"
    if task.state == "R" or task.call == "running":
        return "running"
    if task.call is None:
        return f"state {task.state} (the kernel does not say where)"
    if task.call in ("nanosleep", "clock_nanosleep"):
        return f"asleep in {task.call} (a nap{nap_length(timeout_of(launch.proc, task))})"
    if task.call in ("wait4", "waitid"):
        return f"asleep in {task.call}, waiting for a child"
    if task.call == "futex":
        return "asleep in futex (a lock, or a join)"
    until = timeout_of(launch.proc, task)
    limit = "" if until == FOREVER else f", for at most {until:g} s" if until else ", for a time"
    if task.call in ("poll", "ppoll", "select", "pselect6"):
        return f"asleep in {task.call}{limit}"
    target = launch.proc.descriptors(task.pid).get(task.descriptor, "")
    if not target:
        return f"asleep in {task.call}"
    return f"asleep in {task.call} on descriptor {task.descriptor}: {names.of(target)}{limit}"


def state_of(client: Client, launch: Launch) -> str:
    """What a client has seen so far, in one clause."""
    if not client.connected:
        return f"{client.name} could not connect: {client.ended or 'its connection was never taken'}"
    got = f"{client.received} bytes came" if client.received else "not one byte came"
    if client.malformed:
        return f"{client.name}: {client.malformed}"
    if client.ended:
        return f"{client.name}: {got}, then {'a reset' if client.ended == 'reset' else 'the end of the stream'}"
    row = client.row(launch.sockets)
    side = "nobody has accepted it" if row and row.inode == 0 and row.state == ESTABLISHED else ""
    if row and row.inode and row.unread:
        side = f"the server has not read {row.unread} bytes of what it sent"
    return f"{client.name}: {got}, and the connection stays open{'; ' if side else ''}{side}"
