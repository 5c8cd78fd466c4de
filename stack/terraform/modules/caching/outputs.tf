output "replication_group_id" {
  value = aws_elasticache_replication_group.main.replication_group_id
}

output "arn" {
  value = aws_elasticache_replication_group.main.arn
}

output "user_arn" {
  value = aws_elasticache_user.application.arn
}

output "primary_endpoint" {
  value = aws_elasticache_replication_group.main.primary_endpoint_address
}
