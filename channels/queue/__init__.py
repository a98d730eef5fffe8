"""The durable inbound queue: a delivery is acknowledged only when it lies in one of these."""
