"""Attack: make threads without end (300 here)
Stopped by: user, bwrap
Proof: word
"""

import json
import sys
import threading
import time

ARENA = json.loads(sys.argv[1])
for _ in range(300):
    threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
print("done", flush=True)
