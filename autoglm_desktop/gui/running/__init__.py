"""How the model runs: the walk down its ladder, the proof behind the badge, locking a rung, warnings."""
