# EKS would make it without a retention.
resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = 90
}

resource "aws_eks_cluster" "main" {
  name                          = var.name
  role_arn                      = var.role_arns["cluster"]
  version                       = var.kubernetes_version
  deletion_protection           = true
  bootstrap_self_managed_addons = false
  enabled_cluster_log_types     = ["api", "audit", "authenticator"]

  # Entries of the API only: the aws-auth ConfigMap locks everybody out by one typo.
  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]
    provider {
      key_arn = var.key_arn
    }
  }

  vpc_config {
    subnet_ids              = var.private_subnet_ids
    security_group_ids      = [var.security_group_ids["cluster"]]
    endpoint_private_access = true
    # GitHub's runners reach the API from outside; IAM and the audit log guard it.
    endpoint_public_access = true
  }

  depends_on = [aws_cloudwatch_log_group.cluster]
}

resource "aws_launch_template" "nodes" {
  name_prefix = "${var.name}-nodes-"
  vpc_security_group_ids = [
    var.security_group_ids["nodes"],
    aws_eks_cluster.main.vpc_config[0].cluster_security_group_id,
  ]

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 50
      volume_type = "gp3"
      encrypted   = true
    }
  }

  # Pods must not read the node's credentials: the answer does not survive a hop.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
}

resource "aws_eks_node_group" "main" {
  cluster_name    = aws_eks_cluster.main.name
  node_group_name = "main"
  node_role_arn   = var.role_arns["nodes"]
  subnet_ids      = var.private_subnet_ids
  instance_types  = [var.node_class]
  ami_type        = "AL2023_ARM_64_STANDARD"

  launch_template {
    id      = aws_launch_template.nodes.id
    version = aws_launch_template.nodes.latest_version
  }

  scaling_config {
    min_size     = var.nodes_min
    desired_size = var.nodes_min
    max_size     = var.nodes_max
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    # The autoscaler's.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_eks_addon.first]
}

resource "aws_eks_addon" "first" {
  for_each     = { vpc-cni = jsonencode({ enableNetworkPolicy = "true" }), kube-proxy = null }
  cluster_name = aws_eks_cluster.main.name
  addon_name   = each.key
  # Without it the network policies of stack/kubernetes are words.
  configuration_values = each.value
}

resource "aws_eks_addon" "on_nodes" {
  for_each     = toset(["coredns", "metrics-server"])
  cluster_name = aws_eks_cluster.main.name
  addon_name   = each.key
  depends_on   = [aws_eks_node_group.main]
}

# Metrics and logs of nodes and pods; the alarms ask for them.
resource "aws_eks_addon" "observer" {
  cluster_name             = aws_eks_cluster.main.name
  addon_name               = "amazon-cloudwatch-observability"
  service_account_role_arn = aws_iam_role.account["observer"].arn
  depends_on               = [aws_eks_node_group.main]
}

resource "aws_eks_access_entry" "deploy" {
  cluster_name  = aws_eks_cluster.main.name
  principal_arn = var.deploy_role_arn
}

resource "aws_eks_access_policy_association" "deploy" {
  cluster_name  = aws_eks_cluster.main.name
  principal_arn = aws_eks_access_entry.deploy.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"

  access_scope {
    type       = "namespace"
    namespaces = [var.namespace]
  }
}

resource "aws_ecr_repository" "main" {
  for_each = toset(["abacus-api", "abacus-frontend"])
  name     = each.key
  # A tag that can move makes a rollback a guess.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.key_arn
  }
}
