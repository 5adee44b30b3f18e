"""The verbs of `tsq`, one file each, asked as their users ask them."""
