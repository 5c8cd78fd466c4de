output "role_arns" {
  description = "By who takes it: cluster, nodes, backup, monitoring."
  value       = { for service in keys(local.services) : service => aws_iam_role.service[service].arn }
}

output "deploy_role_arn" {
  value = aws_iam_role.github["deploy"].arn
}

output "build_role_arn" {
  value = aws_iam_role.github["build"].arn
}
