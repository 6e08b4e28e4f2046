"""Attack: find out by whom it is run, from the processes that there are
Stopped by: bwrap
Proof: word
"""

from prey import decoy

if decoy():
    print("done")
