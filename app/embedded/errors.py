"""What can go wrong with servers of our own, as sentences for whoever started the command."""


class EmbeddedServerError(Exception):
    """The server cannot be started; the message says why and what to do."""
