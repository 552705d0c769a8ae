"""The engine: one step over phases, the loop around it, averaging, checkpoints, health. It knows no method by name."""
