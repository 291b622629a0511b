"""Servers that behave like Sage X3 and Mailchimp: strict, with state, with faults to switch on."""
