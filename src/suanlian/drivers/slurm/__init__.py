"""Jobs on a Slurm cluster: by slurmrestd, or by Slurm's own commands."""
