"""Stories: what happens to a customer step by step, and where they must then be."""
