"""Values and decisions. No I/O; standard library and numpy only (engines import it too)."""
