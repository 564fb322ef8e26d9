"""Pictures from elsewhere, for people who ask to see them."""
