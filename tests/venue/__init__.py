"""Conformance of the simulated venue: one test per quirk of the real one, over real sockets."""
