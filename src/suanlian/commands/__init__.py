"""The command of a node, `suanlian-hub`: thin, over the composition root."""
