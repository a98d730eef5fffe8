"""How the city is doing: traffic, energy and public opinion at a glance, with charts."""
