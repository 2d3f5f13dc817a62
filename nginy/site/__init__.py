"""Sites: where the requests of an HTTP listener go, compiled to what workers look up."""
