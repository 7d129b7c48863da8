"""What actors say to each other, one module per conversation; no behaviour beyond describing themselves.

Commands are imperative (`Drain`, `Connect`), events past tense (`LineLost`, `Drained`). A message is
frozen; its containers are tuples or read-only arrays.
"""
