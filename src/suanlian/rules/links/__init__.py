"""What is known of the ways between sites, which is the better one, and how much of a link may still be reserved."""
