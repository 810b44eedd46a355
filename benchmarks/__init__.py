"""Speed and accuracy, each against a named peer in the same run: python -m benchmarks.NAME [--quick] [--out FILE]."""
