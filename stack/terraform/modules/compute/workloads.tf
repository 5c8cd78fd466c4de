# What pods may do; each role is for one service account.
data "aws_region" "current" {}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = aws_eks_cluster.main.identity[0].oidc[0].issuer
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  issuer   = replace(aws_eks_cluster.main.identity[0].oidc[0].issuer, "https://", "")
  # Role = namespace:account that takes it.
  accounts = {
    secrets-reader = "${var.namespace}:secrets-reader"
    api            = "${var.namespace}:api"
    targets        = "kube-system:aws-load-balancer-controller"
    observer       = "amazon-cloudwatch:cloudwatch-agent"
  }
}

data "aws_iam_policy_document" "account_trust" {
  for_each = local.accounts

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.cluster.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:${each.value}"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "account" {
  for_each           = local.accounts
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.account_trust[each.key].json
}

data "aws_iam_policy_document" "secrets_reader" {
  statement {
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [var.database_secret_arn]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "secrets_reader" {
  name   = "read"
  role   = aws_iam_role.account["secrets-reader"].id
  policy = data.aws_iam_policy_document.secrets_reader.json
}

data "aws_iam_policy_document" "api" {
  statement {
    actions   = ["elasticache:Connect"]
    resources = [var.cache_arn, var.cache_user_arn]
  }
}

resource "aws_iam_role_policy" "api" {
  name   = "connect"
  role   = aws_iam_role.account["api"].id
  policy = data.aws_iam_policy_document.api.json
}

# The load balancer's controller registers pods in the target groups; the groups themselves, the listeners and the
# firewall are not its to change.
data "aws_iam_policy_document" "targets" {
  statement {
    actions   = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
    resources = [for group in aws_lb_target_group.main : group.arn]
  }

  # These know no resource.
  statement {
    actions = [
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeInstances",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "targets" {
  name   = "register"
  role   = aws_iam_role.account["targets"].id
  policy = data.aws_iam_policy_document.targets.json
}

resource "aws_iam_role_policy_attachment" "observer" {
  role       = aws_iam_role.account["observer"].name
  policy_arn = "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"
}
