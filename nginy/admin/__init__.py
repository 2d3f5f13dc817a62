"""The operator's doors into a running nginy: the control socket, its client, and read-only HTTP."""
