"""Where questions are written, with their pictures."""
