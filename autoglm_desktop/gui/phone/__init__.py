"""A step of the phone agent, and its action drawn on the screenshot."""
