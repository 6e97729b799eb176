"""What stands for slow parts of the standard library, where a command or an agent must start fast."""
