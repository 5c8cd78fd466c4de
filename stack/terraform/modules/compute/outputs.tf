output "cluster_name" {
  value = aws_eks_cluster.main.name
}

output "balancer_dns_name" {
  value = aws_lb.main.dns_name
}

output "balancer_arn_suffix" {
  value = aws_lb.main.arn_suffix
}

output "target_group_arn_suffixes" {
  value = { for name in ["api", "frontend"] : name => aws_lb_target_group.main[name].arn_suffix }
}

output "account_role_arns" {
  description = "For the annotations of the service accounts."
  value       = { for account in keys(local.accounts) : account => aws_iam_role.account[account].arn }
}

output "firewall" {
  value = aws_wafv2_web_acl.main.name
}
