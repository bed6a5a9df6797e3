"""For all tests: models that other programs have on this machine are not looked for, also not by child processes."""

import os

os.environ["AUTOGLM_ONLY_OWN"] = "1"
