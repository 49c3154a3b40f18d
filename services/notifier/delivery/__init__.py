"""What is sent to whom, as values, and the ports to where deliveries and customers are kept."""
