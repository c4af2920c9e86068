"""The HTTP API: operations, parameters, handlers, the OpenAPI document, and the front that reads requests."""
