"""Real servers for tests and benchmarks: started on free loopback ports, never on the usual ones."""
