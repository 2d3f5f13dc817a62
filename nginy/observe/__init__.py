"""What can be seen of a running nginy: metrics, the event log, the access log."""
