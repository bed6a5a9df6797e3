"""The child process that holds a model. Runs under its own environment's Python: standard library and numpy,
plus the backend's package imported when a job asks for it. Nobody else imports this package."""
