"""The page that says what this machine can run."""
