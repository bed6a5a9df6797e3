"""The public HTTP API (FastAPI). Imported only when the service is switched on."""
