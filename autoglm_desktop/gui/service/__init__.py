"""The Service page: other programs, and the phone agent, use the loaded model over HTTP."""
