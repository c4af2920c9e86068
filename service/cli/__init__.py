"""Programs that put the packages of the service together."""
