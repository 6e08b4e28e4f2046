"""Attack: read the grader's memory
Stopped by: user, bwrap
Proof: secret
"""

from prey import decoy

found = decoy()
with open(f"/proc/{found}/maps") as file:
    stack = next(line.split()[0] for line in file if "[stack]" in line)
begin, end = (int(number, 16) for number in stack.split("-"))
with open(f"/proc/{found}/mem", "rb", buffering=0) as memory:
    memory.seek(begin)
    print(memory.read(end - begin).replace(b"\0", b" "))
