"""The page with the models this program knows and the files on this machine."""
