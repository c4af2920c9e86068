"""API keys and their scopes, console sessions, webhook signatures."""
