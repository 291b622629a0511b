"""ml-connector: keeps a company's Mailchimp audience true to its Sage X3."""

__version__ = "0.1.0"
