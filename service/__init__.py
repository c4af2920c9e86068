"""Online half: answers from a snapshot over HTTP."""
