"""What ``python -m benchmarks`` runs: work items, their contenders, and the page of results."""
