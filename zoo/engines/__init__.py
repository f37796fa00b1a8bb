"""Where many tasks are carried out: in processes of this machine, or on a Ray cluster."""
