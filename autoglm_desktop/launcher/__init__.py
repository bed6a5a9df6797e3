"""What ``launch.py`` does before anything is installed: standard library and ``autoglm_desktop.po`` only."""
