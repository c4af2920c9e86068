"""What a request answers from: a snapshot with the live changes over it."""
