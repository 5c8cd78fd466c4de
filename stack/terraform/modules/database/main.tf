resource "aws_db_subnet_group" "main" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "main" {
  name_prefix = "${var.name}-"
  family      = "postgres18"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name         = "max_connections"
    value        = var.connections_max
    apply_method = "pending-reboot"
  }

  # A migration that waits for a lock would queue every request behind it.
  parameter {
    name  = "lock_timeout"
    value = "5000"
  }

  # An idle transaction holds locks, and a failover waits for nothing.
  parameter {
    name  = "idle_in_transaction_session_timeout"
    value = "60000"
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "500"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# RDS would make them without a retention.
resource "aws_cloudwatch_log_group" "main" {
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = 90
}

resource "aws_db_instance" "main" {
  identifier                    = var.name
  engine                        = "postgres"
  engine_version                = "18.6"
  instance_class                = var.instance_class
  allocated_storage             = var.allocated_gb
  max_allocated_storage         = var.allocated_gb * 5
  storage_type                  = "gp3"
  storage_encrypted             = true
  kms_key_id                    = var.key_arn
  db_name                       = "abacus"
  username                      = "abacus_admin"
  # Ours, not RDS's: where RDS manages the password, it refuses to make a replica.
  password_wo         = ephemeral.random_password.master.result
  password_wo_version = 1

  multi_az               = var.multi_az
  publicly_accessible    = false
  db_subnet_group_name   = aws_db_subnet_group.main.name
  vpc_security_group_ids = [var.security_group_id]
  parameter_group_name   = aws_db_parameter_group.main.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period   = var.backup_retention_days
  backup_window             = "08:00-09:00"
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-last"

  maintenance_window = "sun:09:30-sun:10:30"
  # Minor versions come by a change of this file, through staging.
  auto_minor_version_upgrade      = false
  apply_immediately               = false
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
  monitoring_interval             = 15
  monitoring_role_arn             = var.monitoring_role_arn
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.key_arn

  # AWS Backup picks up what carries this tag (shared/security/backups.tf).
  tags = { abacus-backup = var.environment }

  depends_on = [aws_cloudwatch_log_group.main]
}

resource "aws_db_instance" "replica" {
  count                           = var.replicas
  identifier                      = "${var.name}-replica-${count.index}"
  replicate_source_db             = aws_db_instance.main.identifier
  instance_class                  = var.instance_class
  storage_encrypted               = true
  publicly_accessible             = false
  vpc_security_group_ids          = [var.security_group_id]
  parameter_group_name            = aws_db_parameter_group.main.name
  auto_minor_version_upgrade      = false
  monitoring_interval             = 15
  monitoring_role_arn             = var.monitoring_role_arn
  performance_insights_enabled    = true
  performance_insights_kms_key_id = var.key_arn
  # It can be made again from its source.
  skip_final_snapshot = true
}
