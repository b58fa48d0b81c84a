"""The Kubernetes driver: attempts as Jobs (batch/v1) of a cluster. Needs the extra ``suanlian[kubernetes]``."""
