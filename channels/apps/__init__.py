"""The chat apps, one file each; a file is found by the name it has in credentials.yml."""
