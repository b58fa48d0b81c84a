"""Ray clusters, by the Jobs API of their dashboard and a directory that all their nodes see."""
