"""The migrations of the registry's database; `diorama.registry.database` runs them when it opens one."""
