# Roles that AWS's services take. Those of workloads need the cluster and stand in modules/compute.
data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  services = {
    cluster    = "eks.amazonaws.com"
    nodes      = "ec2.amazonaws.com"
    backup     = "backup.amazonaws.com"
    monitoring = "monitoring.rds.amazonaws.com"
  }
  # The backup role makes backups only. Who restores takes another role, by hand.
  managed = {
    cluster         = { role = "cluster", policy = "AmazonEKSClusterPolicy" }
    nodes           = { role = "nodes", policy = "AmazonEKSWorkerNodePolicy" }
    network         = { role = "nodes", policy = "AmazonEKS_CNI_Policy" }
    images          = { role = "nodes", policy = "AmazonEC2ContainerRegistryPullOnly" }
    backup          = { role = "backup", policy = "service-role/AWSBackupServiceRolePolicyForBackup" }
    backup_buckets  = { role = "backup", policy = "AWSBackupServiceRolePolicyForS3Backup" }
    monitoring      = { role = "monitoring", policy = "service-role/AmazonRDSEnhancedMonitoringRole" }
  }
}

data "aws_iam_policy_document" "service" {
  for_each = local.services

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [each.value]
    }
  }
}

resource "aws_iam_role" "service" {
  for_each           = local.services
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.service[each.key].json
}

resource "aws_iam_role_policy_attachment" "service" {
  for_each   = local.managed
  role       = aws_iam_role.service[each.value.role].name
  policy_arn = "arn:aws:iam::aws:policy/${each.value.policy}"
}
