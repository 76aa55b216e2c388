"""``python -m benchmarks`` compares speed and memory; each script has a question of its own."""
