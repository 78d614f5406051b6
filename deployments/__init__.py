"""Deployments of the flows: `prefect.yaml` for workers, `serve` for one long-lived process."""
