"""The fold: records in, transitions out; pure functions of the log.

Nothing in here reads a clock, a file, the environment or the network, waits, or writes a log line. `rules` compiles
checked definitions, `profile` is what is known of one customer, `partition` takes records in and gives transitions out.
"""
