"""Gets files in blocks from one or several places, with a journal, resume, failover and verification."""
