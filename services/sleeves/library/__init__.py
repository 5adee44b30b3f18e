"""Seven more sleeves to choose from, one file each; their cards are in docs/sleeves.md."""
