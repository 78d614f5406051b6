"""What a worker or a server is given: deployments, schedules and automations."""
