"""The programs of the service, put together from its packages."""
