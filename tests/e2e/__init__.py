"""Tests through the public doors: processes, sockets, the lake."""
