"""What is known about backends: their addresses, their health, and the block in which workers read both."""
