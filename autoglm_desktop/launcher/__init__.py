"""What ``launch.py`` does before anything is installed: the standard library and ``autoglm_desktop.po`` only."""
