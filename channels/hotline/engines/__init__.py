"""Speech engines: one file each, with a class `Engine`."""
