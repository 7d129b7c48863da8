"""Pure code: no threads, no sockets, no clocks. Everything here can be tested with values alone."""
