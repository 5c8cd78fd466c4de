# The numbers are those of stack/cloudformation/parameters/development.json (suites/policy/test_same_facts.py).
locals {
  environment = "development"
  name        = "abacus-${local.environment}"
  namespace   = "abacus-development"
  tags        = { project = "abacus", environment = local.environment, managed-by = "terraform" }

  # Each environment has its own addresses, so that they can be peered.
  cidr         = "10.10.0.0/16"
  zones        = ["us-west-2a", "us-west-2b", "us-west-2c"]
  nat_per_zone = false

  database_class           = "db.t4g.medium"
  database_allocated_gb    = 20
  database_connections_max = 200
  database_multi_az        = false
  database_replicas        = 1
  database_backup_days     = 7

  cache_class    = "cache.t4g.small"
  cache_replicas = 1

  kubernetes_version = "1.34"
  node_class         = "m7g.medium"
  nodes_min          = 3
  nodes_max          = 4

  backup_lock_days = 1
  vault_min_days   = 1
  vault_max_days   = 400
  log_object_days  = 30

  requests_per_5_minutes_max = 3000
}
