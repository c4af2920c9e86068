"""The newsroom's console: pages on which editors see why a story is in a list, and change it."""
