"""Asks the operating system what the machine is. One module per vendor and subject, pure ``parse_*`` beside each call."""
