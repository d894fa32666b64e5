"""The console commands: Hydra configs to typed arguments, then one call."""
