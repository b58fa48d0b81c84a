"""Tables that ship with the package, and how they are read. Sources and licences: NOTICE."""
