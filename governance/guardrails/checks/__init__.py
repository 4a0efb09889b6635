"""The checks that come with the product."""
