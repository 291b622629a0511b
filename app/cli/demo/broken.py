"""The one way the story ends early."""


class StoryBroken(Exception):
    """The story cannot be told to its end; the message is a sentence for whoever watches."""
