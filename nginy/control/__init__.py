"""Control: the Python side that decides. It binds sockets, starts workers and publishes what they read."""
