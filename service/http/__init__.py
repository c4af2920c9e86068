"""HTTP building blocks: problem documents, headers, responses, request bodies."""
