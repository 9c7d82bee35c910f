"""A bare-metal cluster on one machine, for the demo, the tests and the benchmarks."""
