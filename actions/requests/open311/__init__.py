"""Open311 GeoReport v2: our requests in its words, and the queue to a city's existing server."""
