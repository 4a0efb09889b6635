"""Personal data: recognisers with checksums, context and the rules of the countries that issue the numbers."""
