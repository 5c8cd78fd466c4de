# The numbers are those of stack/cloudformation/parameters/production.json (suites/policy/test_same_facts.py).
locals {
  environment = "production"
  name        = "abacus-${local.environment}"
  namespace   = "abacus"
  tags        = { project = "abacus", environment = local.environment, managed-by = "terraform" }

  # Each environment has its own addresses, so that they can be peered.
  cidr         = "10.30.0.0/16"
  zones        = ["us-west-2a", "us-west-2b", "us-west-2c"]
  nat_per_zone = true

  database_class           = "db.r7g.large"
  database_allocated_gb    = 100
  database_connections_max = 200
  database_multi_az        = true
  database_replicas        = 1
  database_backup_days     = 35

  cache_class    = "cache.r7g.large"
  cache_replicas = 2

  kubernetes_version = "1.34"
  node_class         = "m7g.large"
  nodes_min          = 3
  nodes_max          = 9

  backup_lock_days = 35
  vault_min_days   = 7
  vault_max_days   = 400
  log_object_days  = 400

  requests_per_5_minutes_max = 3000
}
