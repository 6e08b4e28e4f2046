"""The checks that several steps share. Each takes a running server and raises a Finding if it is wrong."""
