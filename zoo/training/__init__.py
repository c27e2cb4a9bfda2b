"""The loop, optimizers, schedules, resuming."""
