"""The demo exchange that Tapeline brings along: it speaks the generic dialect."""

from venues.generic import Generic


class Demo(Generic):
    """The demo exchange; whoever starts it says where it listens."""

    venue = "demo"
