"""What `./dev` runs once a Python is there: set-up, test tiers, checks and the VMs. Standard library only."""
