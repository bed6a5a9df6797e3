"""What people do with the program: check, engines, load, chat, serve. No Qt, no printing; window, terminal and
service call these and compose nothing themselves."""
