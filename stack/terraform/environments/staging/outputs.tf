output "cluster_name" {
  value = module.compute.cluster_name
}

output "domain" {
  value = module.cdn.domain
}

output "database_endpoint" {
  value = module.database.endpoint
}

output "cache_endpoint" {
  value = module.caching.primary_endpoint
}

output "deploy_role_arn" {
  value = module.iam.deploy_role_arn
}

output "build_role_arn" {
  value = module.iam.build_role_arn
}

output "account_role_arns" {
  description = "For the annotations in stack/kubernetes/overlays."
  value       = module.compute.account_role_arns
}

output "pager_topic_arn" {
  value = module.monitoring.topic_arn
}

output "backup_bucket_arn" {
  value = module.security.backup_bucket_arn
}
