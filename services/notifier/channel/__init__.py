"""How a message leaves: the port for one attempt, and an adapter for each kind of receiver."""
