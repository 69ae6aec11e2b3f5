"""What the node costs, measured: ``python -m tests.benchmarks [group ...]`` writes the README here."""
