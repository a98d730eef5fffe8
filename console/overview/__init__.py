"""How the city is doing: traffic and energy at a glance, with charts."""
