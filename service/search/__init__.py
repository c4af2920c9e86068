"""The search process, which holds the models, and its client in the web workers."""
