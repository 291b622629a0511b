"""People hear of what needs them: alerts are opened, resolved, and sent as signed webhooks and e-mail."""
