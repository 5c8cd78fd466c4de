resource "aws_elasticache_subnet_group" "main" {
  name       = "${var.name}-cache"
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "main" {
  name   = "${var.name}-cache"
  family = "valkey8"

  # A full cache forgets what was used least and goes on.
  parameter {
    name  = "maxmemory-policy"
    value = "allkeys-lru"
  }
}

resource "aws_cloudwatch_log_group" "slow" {
  name              = "/${var.name}/cache/slow"
  retention_in_days = 90
}

# The application signs in with its role: there is no password to leak or to rotate.
resource "aws_elasticache_user" "application" {
  user_id       = "${var.name}-api"
  user_name     = "${var.name}-api"
  engine        = "valkey"
  access_string = "on ~* -@all +@read +@write +@connection +@transaction +@scripting -@dangerous"

  authentication_mode {
    type = "iam"
  }
}

resource "aws_elasticache_user_group" "main" {
  user_group_id = "${var.name}-cache"
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.application.user_id]
}

resource "aws_elasticache_replication_group" "main" {
  replication_group_id       = var.name
  description                = "Balances that were read lately"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.node_type
  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = true
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  user_group_ids             = [aws_elasticache_user_group.main.user_group_id]
  parameter_group_name       = aws_elasticache_parameter_group.main.name
  subnet_group_name          = aws_elasticache_subnet_group.main.name
  security_group_ids         = [var.security_group_id]
  snapshot_retention_limit   = 7
  snapshot_window            = "08:00-09:00"
  maintenance_window         = "sun:09:30-sun:10:30"
  apply_immediately          = false

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.slow.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}
