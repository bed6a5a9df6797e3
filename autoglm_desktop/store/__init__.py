"""Files: paths, settings, model files, conversations. Engines import ``store.gguf*`` only."""
