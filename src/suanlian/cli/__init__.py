"""The command `suanlian` for people: one file a noun, over the sdk."""
