# Beside the database's own backups: daily, in a vault that nobody can empty, and a second time in another region.
resource "aws_kms_key" "backups" {
  description             = "${var.name}: backups; who can delete the data's key must not reach them"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_backup_vault" "main" {
  name        = var.name
  kms_key_arn = aws_kms_key.backups.arn
}

# After the three days not even the root user lifts it.
resource "aws_backup_vault_lock_configuration" "main" {
  backup_vault_name   = aws_backup_vault.main.name
  changeable_for_days = 3
  min_retention_days  = var.vault_min_days
  max_retention_days  = var.vault_max_days
}

resource "aws_kms_key" "recovery" {
  provider                = aws.recovery
  description             = "${var.name}: backups in the region to recover in"
  enable_key_rotation     = true
  deletion_window_in_days = 30
}

resource "aws_backup_vault" "recovery" {
  provider    = aws.recovery
  name        = var.name
  kms_key_arn = aws_kms_key.recovery.arn
}

resource "aws_backup_vault_lock_configuration" "recovery" {
  provider            = aws.recovery
  backup_vault_name   = aws_backup_vault.recovery.name
  changeable_for_days = 3
  min_retention_days  = var.vault_min_days
  max_retention_days  = var.vault_max_days
}

locals {
  schedules = {
    daily   = { schedule = "cron(0 5 * * ? *)", minutes = 240, days = 35 }
    monthly = { schedule = "cron(0 6 1 * ? *)", minutes = 480, days = 365 }
  }
}

resource "aws_backup_plan" "main" {
  name = var.name

  dynamic "rule" {
    for_each = local.schedules
    content {
      rule_name         = rule.key
      target_vault_name = aws_backup_vault.main.name
      schedule          = rule.value.schedule
      start_window      = 60
      completion_window = rule.value.minutes

      lifecycle {
        delete_after = rule.value.days
      }

      copy_action {
        destination_vault_arn = aws_backup_vault.recovery.arn
        lifecycle {
          delete_after = rule.value.days
        }
      }
    }
  }
}

# What is tagged is backed up: a new database is, without a change here.
resource "aws_backup_selection" "tagged" {
  name         = "tagged"
  plan_id      = aws_backup_plan.main.id
  iam_role_arn = var.backup_role_arn

  selection_tag {
    type  = "STRINGEQUALS"
    key   = "abacus-backup"
    value = var.environment
  }
}
