"""AutoGLM Desktop: can this PC run AutoGLM-Phone-9B, and then running it."""

__version__ = "0.1.0"
