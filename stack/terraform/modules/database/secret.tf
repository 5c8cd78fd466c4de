# What the application signs in with, and the administrator, whom only the rotation uses.
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.region
  # AWS's account for its rotation functions.
  published = "arn:aws:serverlessrepo:us-east-1:297356227824:applications"
}

data "http" "certificates" {
  url = "https://truststore.pki.rds.amazonaws.com/${local.region}/${local.region}-bundle.pem"
}

# Neither the plan nor the state ever holds it.
ephemeral "random_password" "application" {
  length  = 40
  special = false
}

ephemeral "random_password" "master" {
  length  = 40
  special = false
}

resource "aws_secretsmanager_secret" "master" {
  name                    = "abacus/${var.environment}/database-master"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "master" {
  secret_id                = aws_secretsmanager_secret.master.id
  secret_string_wo_version = 1
  secret_string_wo = jsonencode({
    engine   = "postgres"
    host     = aws_db_instance.main.address
    port     = 5432
    dbname   = aws_db_instance.main.db_name
    username = aws_db_instance.main.username
    password = ephemeral.random_password.master.result
  })
}

resource "aws_serverlessapplicationrepository_cloudformation_stack" "master_rotation" {
  name             = "${var.name}-master-rotation"
  application_id   = "${local.published}/SecretsManagerRDSPostgreSQLRotationSingleUser"
  semantic_version = "1.1.671"
  capabilities     = ["CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"]

  parameters = {
    endpoint            = "https://secretsmanager.${local.region}.amazonaws.com"
    functionName        = "${var.name}-master-rotation"
    kmsKeyArn           = var.key_arn
    vpcSubnetIds        = join(",", var.rotation_subnet_ids)
    vpcSecurityGroupIds = var.rotation_security_group_id
  }
}

resource "aws_secretsmanager_secret_rotation" "master" {
  secret_id           = aws_secretsmanager_secret.master.id
  rotation_lambda_arn = aws_serverlessapplicationrepository_cloudformation_stack.master_rotation.outputs["RotationLambdaARN"]
  rotate_immediately  = false

  rotation_rules {
    automatically_after_days = 30
  }

  depends_on = [aws_secretsmanager_secret_version.master]
}

resource "aws_secretsmanager_secret" "application" {
  name                    = "abacus/${var.environment}/database"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

# The first value, written once; the migration creates the user with it. Later ones are the rotation's.
resource "aws_secretsmanager_secret_version" "application" {
  secret_id                = aws_secretsmanager_secret.application.id
  secret_string_wo_version = 1
  secret_string_wo = jsonencode({
    engine    = "postgres"
    host      = aws_db_instance.main.address
    port      = 5432
    dbname    = aws_db_instance.main.db_name
    username  = "abacus"
    password  = ephemeral.random_password.application.result
    ca        = data.http.certificates.response_body
    masterarn = aws_secretsmanager_secret.master.arn
  })
}

# AWS's own function, which uses two users in turns: the old password works until the next rotation.
resource "aws_serverlessapplicationrepository_cloudformation_stack" "rotation" {
  name             = "${var.name}-rotation"
  application_id   = "${local.published}/SecretsManagerRDSPostgreSQLRotationMultiUser"
  semantic_version = "1.1.671"
  capabilities     = ["CAPABILITY_IAM", "CAPABILITY_RESOURCE_POLICY"]

  parameters = {
    endpoint            = "https://secretsmanager.${local.region}.amazonaws.com"
    functionName        = "${var.name}-rotation"
    superuserSecretArn  = aws_secretsmanager_secret.master.arn
    kmsKeyArn           = var.key_arn
    vpcSubnetIds        = join(",", var.rotation_subnet_ids)
    vpcSecurityGroupIds = var.rotation_security_group_id
  }
}

resource "aws_secretsmanager_secret_rotation" "application" {
  secret_id           = aws_secretsmanager_secret.application.id
  rotation_lambda_arn = aws_serverlessapplicationrepository_cloudformation_stack.rotation.outputs["RotationLambdaARN"]
  rotate_immediately  = false

  rotation_rules {
    automatically_after_days = 30
  }

  depends_on = [aws_secretsmanager_secret_version.application]
}
