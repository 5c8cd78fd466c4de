output "identifier" {
  value = aws_db_instance.main.identifier
}

output "replica_identifiers" {
  value = aws_db_instance.replica[*].identifier
}

output "endpoint" {
  value = aws_db_instance.main.endpoint
}

output "secret_arn" {
  value = aws_secretsmanager_secret.application.arn
}
