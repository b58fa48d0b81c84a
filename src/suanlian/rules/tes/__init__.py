"""Tasks of GA4GH TES as jobs, and jobs as such tasks; pure."""
