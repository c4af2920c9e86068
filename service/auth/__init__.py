"""API keys, what they permit, console sessions and webhook signatures."""
