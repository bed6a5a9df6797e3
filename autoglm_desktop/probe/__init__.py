"""Asks the operating system what the machine is.

One module per vendor and subject, with the pure ``parse_*`` beside each call.
"""
