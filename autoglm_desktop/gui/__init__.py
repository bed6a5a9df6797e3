"""The window: Qt Widgets over the use cases. Nothing here blocks; all work goes through ``bridge.Bridge``."""
