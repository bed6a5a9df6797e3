"""Starts, watches and talks to engine processes; installs and tests the environments they run in."""
