"""The Marketing API of one Mailchimp, checked against its own specification."""
