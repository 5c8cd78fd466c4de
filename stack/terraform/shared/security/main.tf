data "aws_caller_identity" "current" {}

# One key for the data of an environment.
data "aws_iam_policy_document" "key" {
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }

  statement {
    sid       = "AlarmsPublish"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_kms_key" "data" {
  description             = "${var.name}: database, cache, buckets, secrets, topics"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json

  lifecycle {
    prevent_destroy = true
  }
}

# For the alarms' topic there.
resource "aws_kms_key" "us_east_1" {
  provider                = aws.us_east_1
  description             = "${var.name}: topics in us-east-1"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.name}-data"
  target_key_id = aws_kms_key.data.key_id
}

data "aws_ec2_managed_prefix_list" "cloudfront" {
  name = var.cloudfront_prefix_list
}

locals {
  groups = {
    balancer = "Load balancer, reached from CloudFront only"
    cluster  = "Network interfaces of the Kubernetes control plane"
    nodes    = "Kubernetes nodes and their pods"
    rotation = "Function that rotates database passwords; nothing connects to it"
    database = "PostgreSQL"
    cache    = "Cache"
  }
  # Who may connect to whom; every port has one line.
  paths = {
    api       = { to = "nodes", from = "balancer", port = 8000 }
    frontend  = { to = "nodes", from = "balancer", port = 3000 }
    kubelet   = { to = "nodes", from = "cluster", port = 10250 }
    admission = { to = "nodes", from = "cluster", port = 9443 }
    control   = { to = "cluster", from = "nodes", port = 443 }
    ledger    = { to = "database", from = "nodes", port = 5432 }
    rotation  = { to = "database", from = "rotation", port = 5432 }
    cache     = { to = "cache", from = "nodes", port = 6379 }
  }
}

resource "aws_security_group" "main" {
  for_each    = local.groups
  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "path" {
  for_each                     = local.paths
  security_group_id            = aws_security_group.main[each.value.to].id
  referenced_security_group_id = aws_security_group.main[each.value.from].id
  description                  = each.key
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# Pods among themselves, narrowed by network policies.
resource "aws_vpc_security_group_ingress_rule" "nodes" {
  security_group_id            = aws_security_group.main["nodes"].id
  referenced_security_group_id = aws_security_group.main["nodes"].id
  description                  = "nodes among themselves"
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_ingress_rule" "cloudfront" {
  security_group_id = aws_security_group.main["balancer"].id
  prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id
  description       = "CloudFront"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Database and cache answer and never call.
resource "aws_vpc_security_group_egress_rule" "out" {
  for_each          = toset(["balancer", "cluster", "nodes", "rotation"])
  security_group_id = aws_security_group.main[each.key].id
  description       = "out"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
