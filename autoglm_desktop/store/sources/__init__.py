"""Where models come from: hubs, any endpoint, folders. Each lists a repository and names a place per file."""
