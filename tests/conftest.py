"""For all tests, and for their child processes: models that other programs have on this machine are not looked for;
where several tests compute at once, OpenMP's threads sleep while they wait instead of taking the others' cores."""

import os

os.environ["AUTOGLM_ONLY_OWN"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
