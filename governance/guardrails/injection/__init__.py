"""Instructions hidden in what an agent reads: their marks, their disguises, and a small linear model over both."""
