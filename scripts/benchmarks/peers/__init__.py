"""What scripts/benchmarks/bench_peers.py asks: this service and its peers, a file each; what is not installed is
named."""
