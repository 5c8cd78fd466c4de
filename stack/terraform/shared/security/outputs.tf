output "key_arn" {
  value = aws_kms_key.data.arn
}

output "key_us_east_1_arn" {
  value = aws_kms_key.us_east_1.arn
}

output "security_group_ids" {
  description = "By role: balancer, cluster, nodes, rotation, database, cache."
  value       = { for role in keys(local.groups) : role => aws_security_group.main[role].id }
}

output "bucket_names" {
  value = { for name in local.buckets : name => aws_s3_bucket.main[name].bucket }
}

output "backup_bucket_arn" {
  value = aws_s3_bucket.main["backups"].arn
}

output "backup_vault_name" {
  value = aws_backup_vault.main.name
}
