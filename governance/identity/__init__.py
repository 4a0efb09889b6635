"""Who acts for whom: tokens that say so, the keys that sign them, and the exchange of one for another."""
