"""The command line. Verbs load what they need when they run, so that the small ones start quickly."""
