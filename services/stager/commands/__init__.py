"""The commands on files: they open what the command line names, and print."""
